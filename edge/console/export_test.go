package console

import "surety/platform/access"

// Route is a row of the table, for tests that must cover each.
type Route struct {
	Pattern string
	Act     access.Act
}

// Routes lists the table of the console.
func Routes() (out []Route) {
	for _, r := range routes() {
		out = append(out, Route{r.pattern, r.act})
	}
	return out
}

// Harmless, MaskName and Catalogue are tested from outside.
var (
	Harmless  = harmless
	MaskName  = maskName
	Catalogue = catalogue
)
