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
//	promise                          test                                       control
//	R1  kill -9 loses no acked act   TestR1KillNine, TestEveryCommit            TestR1ControlAckBeforeCommit
//	R2  nor does a power cut         TestR2LostPages                            TestR2ControlSynchronousOff
//	R3  the first I/O error ends it  TestR3SyncFails, TestR3DiskFull            TestR3ControlGoesOn
//	R6  nobody is paid twice         TestR6Storm; fund TestRaces, TestModel     TestR6ControlWithoutIndex; fund TestWithoutTheIndex…
//	R8  debits = credits             TestSeeds; ledger TestAgainstModel         TestControls/R8…; ledger TestCheckFindsTampering
//	R9  a hold ends once             ledger TestResolutionRace, TestPending…    TestR9ControlTwoEnds
//	R10 linearizable by account      TestR10Linearizable                        TestR10ControlReadThenWrite
//	R13 journals only grow           TestR13AppendOnly; ledger TestDatabaseRefuses, audit TestGuards  TestR13ControlTriggersDropped
//	R14 tampering is found           TestR14Tampered; audit TestVerifyFinds…    unedited is clean, in the same test
//	R15 each cent is explained       TestR15ExplainedR26Trail, TestSeeds        TestControls/R15…
//	R21 who may do what              access TestMatrix, api TestMatrix          theirs
//	R23 four eyes                    TestSeeds; access TestFourEyesProperty     TestControls/R23…
//	R26 one change, one record       TestR15ExplainedR26Trail, TestSeeds        TestControls/R26…
//	    the auditor itself           TestSeeds                                  TestAuditorControls
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
