package web

import (
	"context"
	"fmt"
	"math/bits"
	"strconv"
	"time"

	"surety/kernel/money"
)

// Meaning is one of the four things a colour may say. Each has a shape and a
// word beside it. The empty Meaning is plain.
type Meaning string

// The four meanings.
const (
	Plain   Meaning = ""
	Good    Meaning = "good"    // done, paid, kept
	Waiting Meaning = "waiting" // somebody has to do something
	Danger  Meaning = "danger"  // lost, late, refused
	Held    Meaning = "held"    // stopped on purpose: money or act on hold
)

// Absolute is a point in time in words: "today 23:59", "12 Mar 14:05",
// "2025年3月12日 14:05". now decides which days have a name and whether the year
// is said; the zero now names no day.
func Absolute(lang Lang, zone *time.Location, t, now time.Time) string {
	if t.IsZero() {
		return "—"
	}
	t, now = t.In(zone), now.In(zone)
	clock := t.Format("15:04")
	switch days(t) - days(now) {
	case 0:
		return T(lang, "time.today", clock)
	case 1:
		return T(lang, "time.tomorrow", clock)
	case -1:
		return T(lang, "time.yesterday", clock)
	}
	return Day(lang, zone, t, now) + " " + clock
}

// Day is a date in words, with the year where it is not this year's.
func Day(lang Lang, zone *time.Location, t, now time.Time) string {
	if t.IsZero() {
		return "—"
	}
	t, now = t.In(zone), now.In(zone)
	withYear := t.Year() != now.Year()
	switch {
	case lang == ZH && withYear:
		return t.Format("2006年1月2日")
	case lang == ZH:
		return t.Format("1月2日")
	case withYear:
		return t.Format("2 Jan 2006")
	}
	return t.Format("2 Jan")
}

// days counts calendar days in t's own zone.
func days(t time.Time) int64 {
	y, m, d := t.Date()
	return time.Date(y, m, d, 0, 0, 0, 0, time.UTC).Unix() / (24 * 60 * 60)
}

// Relative is the distance from now in words: "in 2 h 10 min", "3 days ago".
func Relative(lang Lang, t, now time.Time) string {
	d := t.Sub(now)
	switch {
	case t.IsZero() || now.IsZero():
		return ""
	case d > -time.Minute && d < time.Minute:
		return T(lang, "time.now")
	case d > 0:
		return T(lang, "time.in", Duration(lang, d))
	}
	return T(lang, "time.ago", Duration(lang, -d))
}

// Duration is a length of time in at most two units: "2 h 10 min", "3 days".
// It rounds down, so that a promise is never shown longer than it is.
func Duration(lang Lang, d time.Duration) string {
	if d < 0 {
		d = -d
	}
	minutes := int64(d / time.Minute)
	hours, dayCount := minutes/60, minutes/(24*60)
	switch {
	case minutes < 1:
		return T(lang, "time.under_minute")
	case hours < 1:
		return T(lang, "time.min", minutes)
	case dayCount < 1 && minutes%60 == 0:
		return T(lang, "time.h", hours)
	case dayCount < 1:
		return T(lang, "time.h_min", hours, minutes%60)
	case dayCount < 3 && hours%24 != 0:
		return T(lang, "time.d_h", dayCount, hours%24)
	}
	return T(lang, "time.d", dayCount)
}

// now is the time of the context's clock, zero without one.
func now(ctx context.Context) time.Time {
	if c := ViewOf(ctx).Clock; c != nil {
		return c.Now()
	}
	return time.Time{}
}

// When is Absolute in the context's language and zone.
func When(ctx context.Context, t time.Time) string {
	v := ViewOf(ctx)
	return Absolute(v.Lang, v.Zone, t, now(ctx))
}

// FromNow is Relative in the context's language.
func FromNow(ctx context.Context, t time.Time) string {
	return Relative(ViewOf(ctx).Lang, t, now(ctx))
}

// OnDay is Day in the context's language and zone.
func OnDay(ctx context.Context, t time.Time) string {
	v := ViewOf(ctx)
	return Day(v.Lang, v.Zone, t, now(ctx))
}

// Count is a whole number with thousands separators: "29,018".
func Count[N int | int64](n N) string {
	return money.Amount{Minor: int64(n), Currency: "JPY"}.Digits() // a currency without decimals
}

// scale is v*size/whole in exact integers, kept within 0..size: a chart may be
// coarse, it may not be wrong.
func scale(v, whole, size int64) int64 {
	switch {
	case v <= 0 || whole <= 0:
		return 0
	case v >= whole:
		return size
	}
	hi, lo := bits.Mul64(uint64(v), uint64(size))
	q, _ := bits.Div64(hi, lo, uint64(whole)) // v < whole, so the quotient is below size
	return int64(q)
}

func itoa[N int | int64](n N) string { return strconv.FormatInt(int64(n), 10) }

// tenths writes n tenths as SVG wants it: 123 is "12.3".
func tenths(n int64) string { return fmt.Sprintf("%d.%d", n/10, n%10) }

// abs of an int64 weight; the smallest one does not occur in a chart.
func abs(n int64) int64 {
	if n < 0 {
		return -n
	}
	return n
}
