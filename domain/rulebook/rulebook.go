package rulebook

import (
	"strings"
	"time"

	"surety/kernel/ident"
	"surety/kernel/policy"
)

// PublicationState is where a publication stands.
type PublicationState string

// The states of a publication.
const (
	Asked     PublicationState = "asked"      // waits for the second person
	InForce   PublicationState = "in_force"   // decides
	Replaced  PublicationState = "replaced"   // another came after it
	TakenBack PublicationState = "taken_back" // a person took it back; final
	Failed    PublicationState = "failed"     // the engine could not take it; final
	Withdrawn PublicationState = "withdrawn"  // never came into force; final
)

// PublicationStates lists all of them, for tables and tests.
func PublicationStates() []PublicationState {
	return []PublicationState{Asked, InForce, Replaced, TakenBack, Failed, Withdrawn}
}

// PublicationEvent is what can happen to a publication.
type PublicationEvent string

// The events of a publication.
const (
	Sign     PublicationEvent = "sign"      // the second person has signed
	Withdraw PublicationEvent = "withdraw"  // it is not wanted any more
	Replace  PublicationEvent = "replace"   // another comes into force
	TakeBack PublicationEvent = "take_back" // one person's act
	Fail     PublicationEvent = "fail"      // the engine could not take it
	Restore  PublicationEvent = "restore"   // what came after it was taken back or failed
)

// PublicationEvents lists all of them.
func PublicationEvents() []PublicationEvent {
	return []PublicationEvent{Sign, Withdraw, Replace, TakeBack, Fail, Restore}
}

// publicationMoves is the one table of what may happen in which state.
var publicationMoves = map[PublicationState]map[PublicationEvent]PublicationState{
	Asked:    {Sign: InForce, Withdraw: Withdrawn},
	InForce:  {Replace: Replaced, TakeBack: TakenBack, Fail: Failed},
	Replaced: {Restore: InForce},
}

// NextPublication is the state after an event, or a KindState error.
func NextPublication(s PublicationState, e PublicationEvent) (PublicationState, error) {
	if to, ok := publicationMoves[s][e]; ok {
		return to, nil
	}
	return s, ident.E(ident.KindState, "publication_"+string(s), "a publication that is %s cannot be moved by %q",
		words(string(s)), words(string(e)))
}

// ReplayState is where a question to history stands.
type ReplayState string

// The states of a replay.
const (
	Waiting   ReplayState = "waiting"
	Running   ReplayState = "running"
	Done      ReplayState = "done"      // its report is kept; final
	Broken    ReplayState = "failed"    // the error says why; final
	Cancelled ReplayState = "cancelled" // nobody wants to know any more; final
)

// ReplayStates lists all of them.
func ReplayStates() []ReplayState {
	return []ReplayState{Waiting, Running, Done, Broken, Cancelled}
}

// ReplayEvent is what can happen to a replay.
type ReplayEvent string

// The events of a replay.
const (
	Take   ReplayEvent = "take"   // a worker begins
	Lapse  ReplayEvent = "lapse"  // its worker has stopped
	Finish ReplayEvent = "finish" // the report is there
	Break  ReplayEvent = "break"  // it cannot be answered
	Cancel ReplayEvent = "cancel"
)

// ReplayEvents lists all of them.
func ReplayEvents() []ReplayEvent { return []ReplayEvent{Take, Lapse, Finish, Break, Cancel} }

var replayMoves = map[ReplayState]map[ReplayEvent]ReplayState{
	Waiting: {Take: Running, Cancel: Cancelled},
	Running: {Lapse: Waiting, Finish: Done, Break: Broken, Cancel: Cancelled},
}

// NextReplay is the state after an event, or a KindState error.
func NextReplay(s ReplayState, e ReplayEvent) (ReplayState, error) {
	if to, ok := replayMoves[s][e]; ok {
		return to, nil
	}
	return s, ident.E(ident.KindState, "replay_"+string(s), "a replay that is %s cannot be moved by %q", s, e)
}

func words(code string) string { return strings.ReplaceAll(code, "_", " ") }

// Pack is one text of rules, as it is kept.
type Pack struct {
	Version policy.Version
	Text    string // only where one pack is asked for
	Author  ident.ID
	Note    string
	Created time.Time
	InForce bool
}

// Draft is a text that somebody is still writing.
type Draft struct {
	ID      ident.ID
	Title   string
	Text    string
	Author  ident.ID // who saved it last
	Updated time.Time
	Version int
}

// ModelStatus is what a model does today.
type ModelStatus string

// The statuses of a model. Champion and Challenger follow from what is in force.
const (
	Candidate  ModelStatus = "candidate"  // known, and asked by nobody
	Challenger ModelStatus = "challenger" // scores every payment beside the champion, and decides nothing
	Champion   ModelStatus = "champion"   // its probability decides
	Retired    ModelStatus = "retired"    // kept for the decisions that name it
)

// Publication is a proposal of what is to be in force, and what became of it.
type Publication struct {
	ID          ident.ID
	Pack        string // sha256
	Champion    string // sha256 of a model; "" for rules only
	Challengers []string
	Note        string
	Replaces    ident.ID // in force when it was asked for; "" for the pack that came with the program
	State       PublicationState
	Approval    ident.ID
	AskedBy     ident.ID
	Asked       time.Time
	SignedBy    ident.ID
	Signed      time.Time
	Error       string // why the engine could not take it
	Version     int
}

// signed is what two people put their names to.
type signed struct {
	Publication ident.ID
	Pack        string
	Champion    string
	Challengers []string
	Replaces    ident.ID
}

func (p Publication) content() signed {
	return signed{Publication: p.ID, Pack: p.Pack, Champion: p.Champion, Challengers: p.Challengers, Replaces: p.Replaces}
}

// Act is why another publication came into force.
type Act string

// The acts that change what is in force.
const (
	ActPublish  Act = "publish"
	ActTakeBack Act = "take_back"
	ActFail     Act = "fail"
)

// Force is one entry of the history of what was in force.
type Force struct {
	Seq         int64
	Publication ident.ID // "" is the pack that came with the program
	Act         Act
	Actor       ident.ID
	Why         string
	At          time.Time
}

// Text is words for people, in both languages.
type Text struct {
	ZH string `json:"zh"`
	EN string `json:"en"`
}

// In is the text in a language; any but "zh" is taken as "en".
func (t Text) In(lang string) string {
	if lang == "zh" {
		return t.ZH
	}
	return t.EN
}

// Trouble is something wrong with what is in force, or with how it is told to
// the engine. The house goes on.
type Trouble struct {
	Code string // "pack_damaged", "model_damaged", "engine_refused", "refresh_failed"
	What string // the sha or the publication
	Text Text
	At   time.Time
}
