package console

import (
	"github.com/a-h/templ"

	"surety/edge/web"
	"surety/platform/access"
	"surety/platform/db"
	"surety/platform/queue"
)

// queue is the house's own work: how much of it waits, and what failed for good.
func (a *ask) queue() error {
	var counts []queue.Count
	var dead []queue.Entry
	err := a.view(access.ActQueueRead, "", func(tx *db.Tx) (err error) {
		if counts, err = a.c.cfg.Queue.Counts(tx); err != nil {
			return err
		}
		dead, err = a.c.cfg.Queue.Dead(tx, 200)
		return err
	})
	if err != nil {
		return err
	}
	rows := make([]web.Row, len(counts))
	for i, c := range counts {
		rows[i] = web.Row{Cells: []templ.Component{web.Code(c.Kind), a.jobState(c.State), web.Text(web.Count(c.Jobs)), web.Time(c.Oldest)}}
		if !c.Handled && c.State != queue.Done {
			rows[i].Meaning = web.Waiting
			rows[i].Cells[0] = web.Two(c.Kind, a.t("queue.unhandled"))
		}
	}
	return a.show(web.PageProps{Title: a.t("queue.title"), Lead: a.t("queue.lead")}, a.deadTable(dead),
		web.Table(web.TableProps{ID: "counts", Title: a.t("queue.counts"), Rows: rows, Count: a.t("queue.kinds", len(rows)),
			Columns: []web.Column{{Label: a.t("queue.kind")}, {Label: a.t("payments.state")}, {Label: a.t("queue.jobs"),
				Num: true}, {Label: a.t("queue.oldest")}},
			Empty: web.EmptyProps{Title: a.t("queue.empty"), Text: a.t("queue.empty_text")}}))
}

func (a *ask) jobState(s queue.State) templ.Component {
	m := map[queue.State]web.Meaning{queue.Ready: web.Waiting, queue.Leased: web.Waiting, queue.Done: web.Good, queue.Dead: web.Danger}[s]
	return web.Badge(m, a.word("job.", string(s)))
}

func (a *ask) deadTable(dead []queue.Entry) templ.Component {
	rows := make([]web.Row, len(dead))
	for i, e := range dead {
		var again templ.Component = web.Muted("—")
		if a.may(access.ActQueueRequeue) {
			again = web.Confirm(web.ConfirmProps{Button: a.t("queue.requeue"), Action: "/queue/" + e.ID + "/requeue",
				Yes:  a.t("queue.requeue_yes"),
				Says: a.t("queue.requeue_says", e.Kind, e.Key)})
		}
		rows[i] = web.Row{ID: e.ID, Name: e.Kind, Meaning: web.Danger, Cells: []templ.Component{web.Two(e.Kind, clip(e.Key, 60)),
			web.Text(clip(e.LastError, 300)), web.Text(web.Count(e.Failures + e.Lapses)), web.Time(e.Ended), again}}
	}
	return web.Table(web.TableProps{ID: "dead", Title: a.t("queue.dead"), Rows: rows, Count: a.t("queue.dead_count", len(rows)),
		Columns: []web.Column{{Label: a.t("queue.kind")}, {Label: a.t("queue.error"), Wide: true}, {Label: a.t("queue.tries"), Num: true},
			{Label: a.t("when")}, {Label: a.t("queue.again")}},
		Empty: web.EmptyProps{Title: a.t("queue.no_dead"), Text: a.t("queue.no_dead_text")}})
}

func (a *ask) requeue() error {
	id := a.path("id")
	err := a.c.cfg.Access.Update(a.ctx, a.actor, access.ActQueueRequeue, access.Object{ID: id}, nil, func(tx *db.Tx) error {
		return a.c.cfg.Queue.Requeue(tx, id)
	})
	if err != nil {
		return a.again("", err, (*ask).queue)
	}
	return a.done("/queue", "queue.requeued")
}
