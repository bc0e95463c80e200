// Package watch gives early warning: it counts all judged payments by terminal,
// merchant, payee, device, method, region and type, tells of an unusual rise within
// a minute of there being enough payments to tell by, and lets one act stop or
// challenge all payments that match.
//
//	engine ──Tap──> Meter ──Tick (10 s)──> alarm ──a person──> stop ──Push──> engine
//
// # How a rise is found
//
// For each key the last hour is kept by the minute, the last day by the hour, and
// the past 28 days as the mean of each hour of the week. What is expected in a
// window has a gamma distribution: it is drawn from the key's own hours, from the
// shape of its dimension's week where it has few, and is at the least as uncertain
// as the key's counts have been. The chance of what was observed is then the tail of
// a negative binomial, which is the Poisson tail with that uncertainty in it (see
// tail). Amounts are judged as a compound Poisson sum, scaled to the same mean and
// variance (Bohm and Zech, Statistics of weighted Poisson events, 2014). A watch
// states how many false alarms it may raise on an ordinary day over all keys; by
// Bonferroni's inequality (Watch.limit) it raises no more. Floor and ratio keep what is certain but
// small from being told. Labelled frauds are watched by CUSUM (see suspect).
//
// # What can be missed
//
//   - A key of a large dimension is followed from its fifth payment within an hour
//     on, with those before it. Until then its last four are remembered, of
//     MeterConfig.Seen keys; when more come, those quiet longest are forgotten.
//   - MeterConfig.Keys are followed at once. When they are full, each tick lets the
//     tenth go that has the fewest payments in the last and in a mean hour; a rising
//     key finds its place again, with payments before that dated from its last four.
//   - A payment more than an hour late is not counted; one of the future counts as now.
//   - A meter knows the payments that its own process has judged. Several judging
//     processes each find the rises that are large enough in their own share.
//   - After a restart the last minutes are there only if Config.History gives them.
//   - In the first 24 hours of a dimension nothing but labels raises an alarm.
//
// # Invariants
//
//   - A rise is told once: the alarm's id is made from watch, key and the minute in
//     which it began, and there is one open alarm for each watch and key. It grows, is
//     not repeated, and closes when it has been calm for an hour. Rises made of the
//     same payments have one cause, and no more than MaxAlarms causes are told an hour.
//   - A stop touches at most Limit payments and ends within 72 hours of the act on it.
//     More than 1,000 payments, or blocking a whole region, channel or type, takes two
//     people. It can be taken back in one act, and what it alone held is let go.
//   - What is in force is what the database says, after each commit, at the start and
//     at each tick; the uses only go forward.
//
// Alarms are kept as
//
//	from          acknowledge   act    close   calm
//	open          acknowledged  acted  closed  closed
//	acknowledged  -             acted  closed  closed
//	acted         -             acted  closed  closed
//	closed        -             -      -       -
//
// and stops as
//
//	from       approve  extend  lift    expire   exhaust
//	proposed   active   -       lifted  expired  -
//	active     -        active  lifted  expired  exhausted
//	all others -        -       -       -        -
//
// It decides nothing about a payment: the engine does, by the stops it is given.
//
// Requirements: B6.
package watch
