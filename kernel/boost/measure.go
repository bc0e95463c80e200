package boost

import (
	"cmp"
	"math"
	"slices"
)

// ranked is the rows from the highest score down; NaN counts as the lowest.
// Rows of equal score stand together, in the order given.
func ranked(scores []float64) []int {
	order := make([]int, len(scores))
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(a, b int) int { return cmp.Compare(scores[b], scores[a]) })
	return order
}

// tied reports whether two scores are one threshold.
func tied(a, b float64) bool { return a == b || a != a && b != b }

// AUC returns the area under the ROC curve: the chance that a fraud (y != 0)
// has a higher score than a good payment, a tie counting half. NaN if one of
// the two kinds is missing. scores and y are of one length.
func AUC(scores []float64, y []uint8) float64 {
	order := ranked(scores)
	var above, pairs, bad, good float64 // above: frauds met so far
	for i := 0; i < len(order); {
		var b, g float64
		j := i
		for ; j < len(order) && tied(scores[order[j]], scores[order[i]]); j++ {
			if y[order[j]] != 0 {
				b++
			} else {
				g++
			}
		}
		pairs += g * (above + b/2)
		above += b
		bad, good = bad+b, good+g
		i = j
	}
	if bad == 0 || good == 0 {
		return math.NaN()
	}
	return pairs / (bad * good)
}

// AveragePrecision returns the sum over the thresholds, from the highest score
// down, of precision times the recall won there (scikit-learn's
// average_precision_score: no interpolation, equal scores are one threshold).
// 0 if there is no fraud. scores and y are of one length.
func AveragePrecision(scores []float64, y []uint8) float64 {
	total := 0.0
	for _, v := range y {
		if v != 0 {
			total++
		}
	}
	if total == 0 {
		return 0
	}
	order := ranked(scores)
	hits, sum := 0.0, 0.0
	for i := 0; i < len(order); {
		won := 0.0
		j := i
		for ; j < len(order) && tied(scores[order[j]], scores[order[i]]); j++ {
			if y[order[j]] != 0 {
				won++
			}
		}
		hits += won
		sum += won / total * hits / float64(j)
		i = j
	}
	return sum
}

// CardPrecision returns the card precision top-k of the Fraud Detection
// Handbook. Each day the cards (group) are ranked by the highest score of their
// payments that day and the k highest are looked at; the precision of the day is
// the number of them with a fraud that day, over k; a card so found is known and
// left out on the days after. The result is the mean over the days that have a
// payment. Cards of equal score are taken in the order of their number. 0 if k < 1
// or there is no row. All slices are of one length.
func CardPrecision(scores []float64, y []uint8, group []uint64, day []int64, k int) float64 {
	if k < 1 || len(scores) == 0 {
		return 0
	}
	rows := make([]int, len(scores))
	for i := range rows {
		rows[i] = i
	}
	slices.SortStableFunc(rows, func(a, b int) int { return cmp.Or(cmp.Compare(day[a], day[b]), cmp.Compare(group[a], group[b])) })
	type card struct {
		group uint64
		score float64
		fraud bool
	}
	known := map[uint64]bool{}
	sum, days := 0.0, 0.0
	var cards []card
	for i := 0; i < len(rows); {
		today := day[rows[i]]
		cards = cards[:0]
		for ; i < len(rows) && day[rows[i]] == today; i++ {
			r := rows[i]
			if known[group[r]] {
				continue
			}
			if n := len(cards); n == 0 || cards[n-1].group != group[r] {
				cards = append(cards, card{group: group[r], score: math.NaN()})
			}
			c := &cards[len(cards)-1]
			if cmp.Compare(scores[r], c.score) > 0 {
				c.score = scores[r]
			}
			c.fraud = c.fraud || y[r] != 0
		}
		slices.SortStableFunc(cards, func(a, b card) int { return cmp.Compare(b.score, a.score) })
		for _, c := range cards[:min(k, len(cards))] {
			if c.fraud {
				sum++
				known[c.group] = true
			}
		}
		days++
	}
	return sum / float64(k) / days
}

// LogLoss returns the mean of -log of the probability given to what happened;
// probabilities are held between 1e-15 and 1-1e-15. 0 if there is no row.
func LogLoss(p []float64, y []uint8) float64 {
	if len(p) == 0 {
		return 0
	}
	sum := 0.0
	for i, q := range p {
		q = min(max(q, 1e-15), 1-1e-15)
		if y[i] == 0 {
			q = 1 - q
		}
		sum -= math.Log(q)
	}
	return sum / float64(len(p))
}

// Brier returns the mean squared error of the probabilities. 0 if there is no row.
func Brier(p []float64, y []uint8) float64 {
	if len(p) == 0 {
		return 0
	}
	sum := 0.0
	for i, q := range p {
		if y[i] != 0 {
			q = 1 - q
		}
		sum += q * q
	}
	return sum / float64(len(p))
}
