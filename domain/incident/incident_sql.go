package incident

import (
	"encoding/json"
	"strconv"
	"strings"
	"time"

	"surety/domain/fund"
	"surety/kernel/ident"
	"surety/kernel/money"
	"surety/platform/db"
)

const incidentColumns = `id, title, status, fund_id, lost_from, lost_to, deadline, approval, created, version`

// Get reads an incident; found is false if there is none.
func (s *Service) Get(tx *db.Tx, id ident.ID) (Incident, bool, error) {
	is, err := incidents(tx, `select `+incidentColumns+` from incident where id = $1`, id)
	if err != nil || len(is) == 0 {
		return Incident{}, false, err
	}
	return is[0], true, nil
}

// List returns all incidents, newest first.
func (s *Service) List(tx *db.Tx) ([]Incident, error) {
	return incidents(tx, `select `+incidentColumns+` from incident order by created desc, id desc`)
}

func incidents(tx *db.Tx, query string, args ...any) (out []Incident, err error) {
	err = tx.Rows(query, args, func(scan func(...any) error) error {
		var i Incident
		var from, to, deadline, created int64
		if err := scan(&i.ID, &i.Title, &i.Status, &i.FundID, &from, &to, &deadline, &i.Approval, &created, &i.Version); err != nil {
			return err
		}
		i.From, i.To, i.Deadline, i.Created = ident.FromMicros(from), ident.FromMicros(to), ident.FromMicros(deadline), ident.FromMicros(created)
		out = append(out, i)
		return nil
	})
	return out, err
}

// load reads an incident that must be there.
func (s *Service) load(tx *db.Tx, id ident.ID) (Incident, error) {
	i, found, err := s.Get(tx, id)
	if err == nil && !found {
		err = ident.NotFound("incident", id)
	}
	return i, err
}

// advance moves the incident by an event, guarded by its version.
func (s *Service) advance(tx *db.Tx, i *Incident, e Event) error {
	to, err := Next(i.Status, e)
	if err != nil {
		return err
	}
	i.Status, i.Version = to, i.Version+1
	return tx.ExecOne(
		ident.E(ident.KindConflict, "incident_moved", "incident %s was changed by somebody else; look again", i.ID),
		`update incident set status = $2, approval = $3, version = version + 1 where id = $1 and version = $4`,
		i.ID, string(i.Status), i.Approval, i.Version-1)
}

// Marks lists an incident's marks, devices first.
func (s *Service) Marks(tx *db.Tx, id ident.ID) (out []Mark, err error) {
	err = tx.Rows(`select kind, value, victims, why from incident_mark where incident = $1 order by kind, victims desc, value`,
		[]any{id}, func(scan func(...any) error) error {
			var m Mark
			if err := scan(&m.Kind, &m.Value, &m.Victims, &m.Why); err != nil {
				return err
			}
			out = append(out, m)
			return nil
		})
	return out, err
}

func saveMarks(tx *db.Tx, id ident.ID, marks []Mark) error {
	for _, m := range marks {
		_, err := tx.Exec(`insert into incident_mark (incident, kind, value, victims, why) values ($1, $2, $3, $4, $5)
on conflict (incident, kind, value) do update set victims = excluded.victims, why = excluded.why`,
			id, string(m.Kind), m.Value, m.Victims, m.Why)
		if err != nil {
			return err
		}
	}
	return nil
}

// secret is the sealed part of a victim.
type secret struct {
	Name      string     `json:"name"`
	PayTo     fund.PayTo `json:"pay_to"`
	CallWords string     `json:"call_words"`
}

const victimColumns = `v.id, v.incident, v.party, v.account, v.police_case, v.police, v.reported, v.reports, v.recorded, v.currency,
v.payments, v.estate, v.verdict, v.reasons, v.amount, v.claim, v.claimant, v.doubt, v.approval, v.payout,
v.called, v.called_at, v.sealed, v.version`

// Victims lists an incident's victims in the order they became known, with the
// state of each one's payout.
func (s *Service) Victims(tx *db.Tx, id ident.ID) ([]Victim, error) {
	vs, err := s.victims(tx, `select `+victimColumns+` from incident_victim v where v.incident = $1 order by v.id`, id)
	if err != nil {
		return nil, err
	}
	payouts, err := s.cfg.Fund.ByPurpose(tx, id)
	if err != nil {
		return nil, err
	}
	states := make(map[ident.ID]fund.PayoutState, len(payouts))
	for _, p := range payouts {
		states[p.ID] = p.State
	}
	for i := range vs {
		vs[i].State = states[vs[i].Payout]
	}
	return vs, nil
}

// Victim reads one victim; found is false if there is none.
func (s *Service) Victim(tx *db.Tx, id ident.ID) (Victim, bool, error) {
	return first(s.victims(tx, `select `+victimColumns+` from incident_victim v where v.id = $1`, id))
}

func (s *Service) victimByAccount(tx *db.Tx, incident ident.ID, account string) (Victim, bool, error) {
	return first(s.victims(tx, `select `+victimColumns+` from incident_victim v where v.incident = $1 and v.account = $2`,
		incident, account))
}

func (s *Service) victimByParty(tx *db.Tx, incident, party ident.ID) (Victim, bool, error) {
	return first(s.victims(tx, `select `+victimColumns+` from incident_victim v where v.incident = $1 and v.party = $2`,
		incident, party))
}

func first(vs []Victim, err error) (Victim, bool, error) {
	if err != nil || len(vs) == 0 {
		return Victim{}, false, err
	}
	return vs[0], true, nil
}

func (s *Service) victims(tx *db.Tx, query string, args ...any) (out []Victim, err error) {
	err = tx.Rows(query, args, func(scan func(...any) error) error {
		var v Victim
		var police, reported, recorded, amount, calledAt int64
		var currency, payments, reasons string
		var sealed []byte
		err := scan(&v.ID, &v.Incident, &v.Party, &v.Account, &v.PoliceCase, &police, &reported, &v.Reports, &recorded, &currency,
			&payments, &v.Estate, &v.Verdict, &reasons, &amount, &v.Claim, &v.Claimant, &v.Doubt, &v.Approval, &v.Payout,
			&v.Called, &calledAt, &sealed, &v.Version)
		if err != nil {
			return err
		}
		c := money.Currency(currency)
		v.Police, v.Reported, v.Recorded, v.Amount = money.Of(police, c), money.Of(reported, c), money.Of(recorded, c), money.Of(amount, c)
		v.CalledAt = ident.FromMicros(calledAt)
		if err := json.Unmarshal([]byte(payments), &v.Payments); err != nil {
			return err
		}
		if err := json.Unmarshal([]byte(reasons), &v.Reasons); err != nil {
			return err
		}
		plain, err := s.cfg.Vault.Open(v.ID, "victim", sealed)
		if err != nil {
			return err
		}
		var sec secret
		if err := json.Unmarshal([]byte(plain), &sec); err != nil {
			return err
		}
		v.Name, v.PayTo, v.CallWords = sec.Name, sec.PayTo, sec.CallWords
		out = append(out, v)
		return nil
	})
	return out, err
}

// saveVictim inserts a new victim (Version 0) or updates one, guarded by its version.
func (s *Service) saveVictim(tx *db.Tx, v *Victim) error {
	plain, err := json.Marshal(secret{v.Name, v.PayTo, v.CallWords})
	if err != nil {
		return err
	}
	sealed, err := s.cfg.Vault.Seal(v.ID, "victim", string(plain))
	if err != nil {
		return err
	}
	payments, reasons := list(v.Payments), list(v.Reasons)
	currency := string(money.CNY)
	for _, a := range []money.Amount{v.Police, v.Reported, v.Recorded} {
		if a.Currency != "" {
			currency = string(a.Currency)
		}
	}
	args := []any{v.ID, v.Party, v.Account, v.PoliceCase, v.Police.Minor, v.Reported.Minor, v.Reports, v.Recorded.Minor, currency,
		payments, v.Estate, string(v.Verdict), reasons, v.Amount.Minor, v.Claim, v.Claimant, v.Payout, string(v.Called),
		micros(v.CalledAt), sealed, v.Doubt, v.Approval}
	v.Version++
	if v.Version == 1 {
		_, err = tx.Exec(`insert into incident_victim (id, party, account, police_case, police, reported, reports, recorded,
currency, payments, estate, verdict, reasons, amount, claim, claimant, payout, called, called_at, sealed,
doubt, approval, incident, version)
values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21, $22, $23, 1)`,
			append(args, v.Incident)...)
		return err
	}
	return tx.ExecOne(
		ident.E(ident.KindConflict, "victim_moved", "this victim's record was changed by somebody else; look again"),
		`update incident_victim set party = $2, account = $3, police_case = $4, police = $5, reported = $6, reports = $7,
recorded = $8, currency = $9, payments = $10, estate = $11, verdict = $12, reasons = $13, amount = $14, claim = $15, claimant = $16,
payout = $17, called = $18, called_at = $19, sealed = $20, doubt = $21, approval = $22,
version = version + 1 where id = $1 and version = $23`,
		append(args, v.Version-1)...)
}

func micros(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return ident.Micros(t)
}

func list(s []string) string {
	if len(s) == 0 {
		return "[]"
	}
	b, err := json.Marshal(s)
	if err != nil { // strings always encode
		return "[]"
	}
	return string(b)
}

// Source is one file or search that victims came from.
type Source struct {
	ID       ident.ID
	Incident ident.ID
	Kind     string // police_list, user_reports, estate, search
	Filename string
	SHA256   string
	Figures  string // JSON
	ReadAt   time.Time
}

// Sources lists an incident's sources, oldest first.
func (s *Service) Sources(tx *db.Tx, id ident.ID) (out []Source, err error) {
	err = tx.Rows(`select id, incident, kind, filename, sha256, figures, read_at from incident_source where incident = $1 order by id`,
		[]any{id}, func(scan func(...any) error) error {
			var src Source
			var at int64
			if err := scan(&src.ID, &src.Incident, &src.Kind, &src.Filename, &src.SHA256, &src.Figures, &at); err != nil {
				return err
			}
			src.ReadAt = ident.FromMicros(at)
			out = append(out, src)
			return nil
		})
	return out, err
}

// KeptRow is one physical row of a source as it is kept: what was read, mended
// and refused, and why.
type KeptRow struct {
	Line   int
	Kind   string
	JSON   json.RawMessage // authority.Row, authority.ReportRow or authority.Estate
	Victim ident.ID        // whom it led to, "" if nobody
	How    string          // how it was matched, or why not; "" if there was nothing to match
}

// Rows opens the sealed rows of a source, in the order of the file.
func (s *Service) Rows(tx *db.Tx, source ident.ID) (out []KeptRow, err error) {
	err = tx.Rows(`select line, kind, sealed, victim, how from incident_row where source = $1 order by line`, []any{source},
		func(scan func(...any) error) error {
			var r KeptRow
			var sealed []byte
			if err := scan(&r.Line, &r.Kind, &sealed, &r.Victim, &r.How); err != nil {
				return err
			}
			plain, err := s.cfg.Vault.Open(source, strconv.Itoa(r.Line), sealed)
			r.JSON = json.RawMessage(plain)
			out = append(out, r)
			return err
		})
	return out, err
}

// sourceRow is a row on its way into a source.
type sourceRow struct {
	line int
	kind string
	row  any
}

// addSource keeps a source with all its rows; fresh is false if the same file
// was read into this incident before.
func (s *Service) addSource(tx *db.Tx, src Source, figures any, rows []sourceRow) (fresh bool, err error) {
	fig, err := json.Marshal(figures)
	if err != nil {
		return false, err
	}
	n, err := tx.Exec(`insert into incident_source (id, incident, kind, filename, sha256, figures, read_at)
values ($1, $2, $3, $4, $5, $6, $7) on conflict (incident, kind, sha256) do nothing`,
		src.ID, src.Incident, src.Kind, src.Filename, src.SHA256, string(fig), ident.Micros(src.ReadAt))
	if err != nil || n == 0 {
		return false, err
	}
	for _, r := range rows {
		plain, err := json.Marshal(r.row)
		if err != nil {
			return false, err
		}
		sealed, err := s.cfg.Vault.Seal(src.ID, strconv.Itoa(r.line), string(plain))
		if err != nil {
			return false, err
		}
		_, err = tx.Exec(`insert into incident_row (source, line, kind, sealed, victim, how) values ($1, $2, $3, $4, '', '')`,
			src.ID, r.line, r.kind, sealed)
		if err != nil {
			return false, err
		}
	}
	return true, nil
}

// led notes where a row led.
func led(tx *db.Tx, source ident.ID, line int, victim ident.ID, how string) error {
	return tx.ExecOne(ident.E(ident.KindInternal, "row_missing", "row %d of the source is missing", line),
		`update incident_row set victim = $3, how = $4 where source = $1 and line = $2`, source, line, victim, how)
}

// addCase keeps what the police say of a victim's case. A later source takes the
// place of an earlier one; two rows of one source are two losses.
func addCase(tx *db.Tx, source, victim ident.ID, caseNo string, amount money.Amount) error {
	unnamed := "?" + strconv.FormatInt(amount.Minor, 10) // the same sum again is the same loss
	if caseNo == "" {
		var named int
		_, err := tx.Row([]any{&named}, `select count(*) from incident_case where victim = $1 and amount = $2 and source <> $3`,
			victim, amount.Minor, source)
		if err != nil || named > 0 {
			return err // another list gives this loss its number
		}
		caseNo = unnamed
	} else if _, err := tx.Exec(`delete from incident_case where victim = $1 and case_no = $2 and source <> $3`,
		victim, unnamed, source); err != nil {
		return err
	}
	if _, err := tx.Exec(`delete from incident_case where victim = $1 and case_no = $2 and source <> $3`, victim, caseNo, source); err != nil {
		return err
	}
	_, err := tx.Exec(`insert into incident_case (victim, case_no, source, amount) values ($1, $2, $3, $4)
on conflict (victim, case_no, source) do update set amount = incident_case.amount + excluded.amount`,
		victim, caseNo, source, amount.Minor)
	return err
}

// cases sums what the police say of a victim and lists the cases.
func cases(tx *db.Tx, victim ident.ID, c money.Currency) (sum money.Amount, list string, err error) {
	sum = money.Of(0, c)
	var names []string
	err = tx.Rows(`select case_no, amount from incident_case where victim = $1 order by case_no`, []any{victim},
		func(scan func(...any) error) (err error) {
			var name string
			var minor int64
			if err := scan(&name, &minor); err != nil {
				return err
			}
			if name[0] != '?' {
				names = append(names, name)
			}
			sum, err = sum.Add(money.Of(minor, c))
			return err
		})
	return sum, strings.Join(names, ", "), err
}
