package watch

import "math"

// The past of a key: what it does in an ordinary hour of the week.
//
// An hour of the week is Unix hours modulo 168, in UTC. Each has the mean of the
// weeks seen, with weight 1/4 for the newest from the fourth on: the mean age of
// what is remembered is 28 days. Beside it stand sums over all hours that fade
// with the same mean age (1/672 an hour).
const (
	weekHours = 168
	fade      = 1 - 1.0/672
	newest    = 1.0 / 4
	minWarm   = 24 // hours of history before a dimension is judged at all
)

// sums are faded sums over hours.
type sums struct {
	count, amount, squares, stopped, fresh float64
	span                                   float64 // hours of ordinary traffic that they stand for
}

// spread is how much more than by chance the counts vary around what was
// expected: over is the sum of (x-e)^2-e, of is the sum of e^2.
type spread struct{ over, of float64 }

func (s *spread) note(x, e float64) {
	s.over, s.of = s.over*fade+(x-e)*(x-e)-e, s.of*fade+e*e
}

// With little evidence the squared coefficient of variation is spreadPrior, as if
// spreadTrust of expected squares had been seen; it is kept between the bounds.
const (
	spreadPrior, spreadTrust = 0.03, 20
	spreadLeast, spreadMost  = 0.01, 1
)

func (s spread) cv2() float64 {
	return min(spreadMost, max(spreadLeast, (s.over+spreadPrior*spreadTrust)/(s.of+spreadTrust)))
}

// hoursKept is a ring of hours: 24 that a window may want, the one under way, and
// the two in which minutes are still in a track.
const hoursKept = 32

// past is what is remembered of one key.
type past struct {
	slots  [weekHours]float32 // mean count by hour of the week
	weeks  [weekHours]uint8   // how many weeks are in it
	hours  [hoursKept]cell
	hourOf [hoursKept]int64 // which hour stands there
	sum    sums
	tens   [6]uint32 // counts by ten minutes of the hour that is leaving the track
	hourly spread    // of hours
	quick  spread    // of ten minutes
	born   int64     // the hour in which it was first followed
}

// put adds a minute that has left the track.
func (p *past) put(minute int64, c *cell) {
	h := minute / 60
	i := h & (hoursKept - 1)
	if p.hourOf[i] != h {
		p.hours[i], p.hourOf[i] = cell{}, h
	}
	p.hours[i].plus(c)
	p.tens[minute%60/10] += c.count
}

func (p *past) hour(h int64) cell {
	if i := h & (hoursKept - 1); p.hourOf[i] == h {
		return p.hours[i]
	}
	return cell{}
}

// profile is the shape of a dimension's week, and what a key of it that nobody
// knows is expected to do.
type profile struct {
	slots [weekHours]float64 // mean count of all its keys
	weeks [weekHours]uint8
	sum   sums
	hours int64   // learned
	rate  float64 // mean hourly count of a followed key
}

// shape is how busy an hour of the week is against the mean of those known; an
// hour of the week that has not been seen is as the same hour on other days.
func (d *profile) shape(h int64) float64 {
	mean, n := 0.0, 0.0
	for i := range d.slots {
		if d.weeks[i] > 0 {
			mean, n = mean+d.slots[i], n+1
		}
	}
	if n == 0 || mean == 0 {
		return 1
	}
	mean /= n
	i := h % weekHours
	if d.weeks[i] > 0 {
		return max(0.05, d.slots[i]/mean)
	}
	day, days := 0.0, 0.0
	for j := i % 24; j < weekHours; j += 24 {
		if d.weeks[j] > 0 {
			day, days = day+d.slots[j], days+1
		}
	}
	if days == 0 {
		return 1
	}
	return max(0.05, day/days/mean)
}

// learn moves a mean of the hour of the week.
func learn(slot float64, weeks uint8, x float64) (float64, uint8) {
	a := max(newest, 1/float64(weeks+1))
	return slot + a*(x-slot), min(weeks+1, 200)
}

// A key of which nothing is known is taken to be one of those that are followed:
// its rate has a gamma distribution of shape newShape and their mean. Its hours
// of the week are taken to be those of the dimension times a factor of shape
// slotShape, until it has its own.
const (
	newShape  = 0.5
	slotShape = 4
)

// rate is the expected count in an hour of the week and the shape of the gamma
// distribution that says how well it is known.
func (p *past) rate(d *profile, shape []float64, h int64) (mean, known float64) {
	i := h % weekHours
	level := (p.sum.count + newShape) / (p.sum.span + newShape/max(d.rate, 1e-6))
	base := level * shape[i]
	g := 1 / (1/slotShape + 1/(p.sum.count+newShape))
	n := float64(min(p.weeks[i], 4))
	known = g + n*float64(p.slots[i])
	return known / (g/base + n), known
}

// expect is the expected count in minutes [from, until), until in seconds, and
// the shape of what is known of it. Within two hours the rate is drawn straight
// from the middle of one hour to the middle of the next.
func (p *past) expect(d *profile, shape []float64, from, until int64) (mean, known float64) {
	length := float64(until-from*60) / 3600
	if length <= 0 {
		return 0, newShape
	}
	cv2 := p.quick.cv2()
	if length > 1.5 {
		cv2 = p.hourly.cv2()
		for h := from / 60; h*3600 < until; h++ {
			part := float64(min(until, (h+1)*3600)-max(from*60, h*3600)) / 3600
			r, k := p.rate(d, shape, h)
			mean, known = mean+r*part, known+k*r*part
		}
		known /= mean
	} else {
		mid := (from*60+until)/2 - 1800
		h, f := mid/3600, float64(mid%3600)/3600
		r0, k0 := p.rate(d, shape, h)
		r1, k1 := p.rate(d, shape, h+1)
		mean, known = (r0*(1-f)+r1*f)*length, k0*(1-f)+k1*f
	}
	return mean, 1 / (1/known + cv2)
}

// per is a faded share (stopped or fresh of count) drawn towards that of the
// dimension as if pseudo more payments had been seen, and its shape.
func per(part, whole, dimPart, dimWhole float64) (share, known float64) {
	const pseudo = 50
	base := (dimPart + 0.5) / (dimWhole + 50)
	share = (part + pseudo*base) / (whole + pseudo)
	known = part + pseudo*base
	return min(1, share), max(known, newShape)
}

// unit is the amount that counts as one when amounts are judged: a sum of amounts
// is as uncertain as so many events of the mean square over the mean.
func (s *sums) unit(d *sums, now *total) float64 {
	u := 0.0
	for _, c := range [][2]float64{{s.squares, s.amount}, {now.squares, float64(now.amount)}} {
		if c[1] > 0 {
			u = max(u, c[0]/c[1])
		}
	}
	if s.count < 50 && d.amount > 0 {
		u = max(u, d.squares/d.amount)
	}
	return u
}

// closeHour learns from an hour that is complete. hot is a key with an open alarm:
// of what it does now little is taken for ordinary.
func (p *past) closeHour(d *profile, shape []float64, hour int64, hot bool) cell {
	c, tens := p.hour(hour), p.tens
	p.tens = [6]uint32{}
	if hour <= p.born {
		return c
	}
	i := hour % weekHours
	x := float64(c.count)
	e, _ := p.rate(d, shape, hour)
	if hot && x > 2*e+8 {
		f := (2*e + 8) / x
		c.stopped, c.fresh = uint32(float64(c.stopped)*f), uint32(float64(c.fresh)*f)
		c.amount, c.squares = int64(float64(c.amount)*f), c.squares*float32(f)
		x = 2*e + 8
	}
	if p.sum.span > 24 {
		p.hourly.note(x, e)
		for _, n := range tens {
			p.quick.note(min(float64(n), x), e/6)
		}
	}
	slot, weeks := learn(float64(p.slots[i]), p.weeks[i], x)
	p.slots[i], p.weeks[i] = float32(slot), weeks
	p.sum.add(&c, x, shape[i])
	return c
}

func (s *sums) add(c *cell, count, span float64) {
	s.count = s.count*fade + count
	s.amount = s.amount*fade + float64(c.amount)
	s.squares = s.squares*fade + float64(c.squares)
	s.stopped = s.stopped*fade + float64(c.stopped)
	s.fresh = s.fresh*fade + float64(c.fresh)
	s.span = s.span*fade + span
}

// total is what happened in a window.
type total struct {
	count, stopped, fresh, amount int64
	squares                       float64
}

func (t *total) plus(c *cell) {
	t.count += int64(c.count)
	t.stopped += int64(c.stopped)
	t.fresh += int64(c.fresh)
	t.amount += c.amount
	t.squares += float64(c.squares)
}

// tail is the natural logarithm of the chance of k events or more where mean are
// expected and the mean itself is known with a gamma distribution of that shape:
// the Poisson tail averaged over it, which is the tail of a negative binomial,
// P(X >= k) = I_x(k, shape) with x = mean/(mean+shape) (Abramowitz and Stegun,
// Handbook of Mathematical Functions, 26.5.24 and 26.5.26). k need not be whole.
// The larger the shape, the nearer it is to the plain Poisson tail.
func tail(k, mean, shape float64) float64 {
	if k <= 0 {
		return 0
	}
	if mean <= 0 {
		return math.Inf(-1)
	}
	x := mean / (mean + shape)
	ab, _ := math.Lgamma(k + shape)
	a, _ := math.Lgamma(k)
	b, _ := math.Lgamma(shape)
	front := ab - a - b + k*math.Log(x) + shape*math.Log1p(-x)
	if x < (k+1)/(k+shape+2) {
		return min(0, front-math.Log(k)+math.Log(fraction(k, shape, x)))
	}
	return math.Log1p(-min(1, math.Exp(front-math.Log(shape))*fraction(shape, k, 1-x)))
}

// fraction is the continued fraction of the incomplete beta function (Abramowitz
// and Stegun 26.5.8) by Lentz's method.
func fraction(a, b, x float64) float64 {
	const tiny = 1e-300
	c, d := 1.0, 1-(a+b)*x/(a+1)
	if math.Abs(d) < tiny {
		d = tiny
	}
	d = 1 / d
	h := d
	step := func(num float64) float64 {
		if d = 1 + num*d; math.Abs(d) < tiny {
			d = tiny
		}
		if c = 1 + num/c; math.Abs(c) < tiny {
			c = tiny
		}
		d = 1 / d
		return c * d
	}
	for m := 1.0; m < 10_000; m++ {
		h *= step(m * (b - m) * x / ((a + 2*m - 1) * (a + 2*m)))
		f := step(-(a + m) * (a + b + m) * x / ((a + 2*m) * (a + 2*m + 1)))
		if h *= f; math.Abs(f-1) < 1e-12 {
			break
		}
	}
	return h
}
