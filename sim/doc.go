// Package sim is the adversary: it lives random lives against the whole house
// with everything going wrong that can, beside an auditor that keeps its own
// books from what a client of the house saw, and it kills processes and forgets
// un-synced pages to see whether anything that was promised is lost.
//
//	Run     one seeded life: funds, claims, incidents, rails that lie, restarts
//	Crash   rounds of kill -9 (or of power loss) in the middle of a pay-out
//	Walk    explains each cent that left, from the tables alone (R15)
//	Trail   ties each change of state to its record (R26)
//
// Every check here has a control: a copy of the house that is broken on purpose,
// in which the check must find the fault. A promise without a control counts for
// nothing.
//
//	promise                           test                                    control
//	R1  kill -9 loses nothing acked   sim TestR1KillNine                      sim TestR1ControlAckBeforeCommit
//	R2  power loss loses nothing      sim TestR2LostPages                     sim TestR2ControlSynchronousOff
//	R3  first I/O error ends it       sim TestR3SyncFails, TestR3DiskFull     sim TestR3ControlGoesOn
//	R6  0 double payouts              sim TestR6Storm; fund TestRaces         sim TestR6ControlWithoutIndex; fund TestWithoutTheIndex…
//	R8  debits = credits              sim TestSeeds; ledger TestAgainstModel  sim TestR8ControlTampered; ledger TestCheckFindsTampering
//	R9  holds end once                sim TestR9Holds; ledger TestResolutionRace  sim TestR9ControlTwoEnds
//	R10 linearizable per account      sim TestR10Linearizable                 sim TestR10ControlReadThenWrite
//	R13 append-only                   sim TestR13AppendOnly; audit TestGuards sim TestR13ControlTriggersDropped
//	R14 tampering is found            sim TestR14Tampered; audit TestVerifyFindsRandomEdits  sim: unedited is clean
//	R15 each cent is explained        sim TestR15Explained                    sim TestR15ControlNoApproval
//	R21 who may do what               access TestMatrix, api TestMatrix       theirs
//	R23 four eyes                     sim TestSeeds; access TestFourEyesProperty  theirs; sim TestR23ControlOneHand
//	R26 one change, one record        sim TestR26Trail                        sim TestR26ControlUnrecorded
//
// What a life takes as true: a call that was answered, was answered so; a call
// whose answer was lost may have happened and is asked again with the same id.
// The auditor reads nothing of the house before the end.
//
// It is not a benchmark, and it judges nobody's rules about money: those are the
// domain packages' own tests.
//
// Requirements: B2, issue 2 §10 and "what it must show".
package sim
