package policy

// Order sorts names so that each stands after those it uses; uses(name) names
// them, and what is not among names does not count. Names that need no moving
// stay in the order given, so the result depends on nothing but the arguments.
//
// If some use each other in a circle there is no order, and cycle is one such
// circle: each uses the next, the last uses the first.
func Order(names []string, uses func(name string) []string) (order []string, cycle []string) {
	s := sorter{uses: uses, state: make(map[string]mark, len(names)), order: make([]string, 0, len(names))}
	for _, n := range names {
		s.state[n] = unseen
	}
	for _, n := range names {
		if cycle = s.visit(n); cycle != nil {
			return nil, cycle
		}
	}
	return s.order, nil
}

// mark is what a sorter knows of a name. A name of none is not to be sorted.
type mark uint8

const (
	none mark = iota
	unseen
	open // on the path being walked
	done
)

type sorter struct {
	uses  func(string) []string
	state map[string]mark
	path  []string
	order []string
}

// visit puts a name after all it uses; it returns the circle it meets, if any.
// It goes as deep as the longest chain of uses.
func (s *sorter) visit(name string) []string {
	switch s.state[name] {
	case open:
		from := len(s.path) - 1
		for s.path[from] != name {
			from--
		}
		return append([]string(nil), s.path[from:]...)
	case none, done:
		return nil
	}
	s.state[name] = open
	s.path = append(s.path, name)
	for _, u := range s.uses(name) {
		if cycle := s.visit(u); cycle != nil {
			return cycle
		}
	}
	s.path = s.path[:len(s.path)-1]
	s.state[name] = done
	s.order = append(s.order, name)
	return nil
}
