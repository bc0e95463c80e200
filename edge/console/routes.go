package console

import (
	"slices"

	"surety/platform/access"
)

// route is one page or act: its pattern, the act that whoever asks needs ("" :
// any member of staff), and what answers it.
type route struct {
	pattern string
	act     access.Act
	answer  func(*ask) error
}

// routes is the one table of the console. The act decides what the navigation
// shows; the services check it again.
func routes() []route { return slices.Concat(work(), riskRoutes(), ruleRoutes(), house(), door()) }

// work is the routes of payments, incidents, claims and funds.
func work() []route {
	return []route{
		{"GET /{$}", access.ActOverviewRead, (*ask).overview},

		{"GET /payments", access.ActPaymentList, (*ask).payments},
		{"GET /payments.csv", access.ActPaymentList, (*ask).paymentsCSV},
		{"GET /payments/{id}", access.ActPaymentRead, (*ask).payment},
		{"POST /payments/{id}/reveal", access.ActPartyRead, (*ask).paymentReveal},
		{"POST /payments/{id}/decide", access.ActPaymentDecide, (*ask).paymentDecide},

		{"GET /incidents", access.ActIncidentBoard, (*ask).incidents},
		{"GET /incidents/declare", access.ActIncidentDeclare, (*ask).declareForm},
		{"POST /incidents/declare", access.ActIncidentDeclare, (*ask).declare},
		{"GET /incidents/{id}", access.ActIncidentRead, (*ask).room},
		{"GET /incidents/{id}/live", access.ActIncidentBoard, (*ask).roomLive},
		{"GET /incidents/{id}/victims.csv", access.ActIncidentRead, (*ask).victimsCSV},
		{"GET /incidents/{id}/sources/{source}", access.ActIncidentRead, (*ask).source},
		{"GET /incidents/{id}/sources/{source}/table.csv", access.ActIncidentRead, (*ask).sourceCSV},
		{"POST /incidents/{id}/upload", access.ActIncidentImport, (*ask).upload},
		{"POST /incidents/{id}/gather", access.ActIncidentGather, (*ask).gather},
		{"POST /incidents/{id}/reconcile", access.ActIncidentReconcile, (*ask).reconcile},
		{"POST /incidents/{id}/propose", access.ActIncidentPropose, (*ask).propose},
		{"POST /incidents/{id}/withdraw", access.ActIncidentPropose, (*ask).withdrawProposal},
		{"POST /incidents/{id}/approve", access.ActIncidentApprove, (*ask).approve},
		{"POST /incidents/{id}/pay", access.ActIncidentPay, (*ask).pay},
		{"POST /incidents/{id}/statement", access.ActIncidentStatement, (*ask).statement},
		{"POST /incidents/{id}/publish", access.ActIncidentStatement, (*ask).publish},
		{"POST /incidents/{id}/close", access.ActIncidentClose, (*ask).closeIncident},
		{"GET /incidents/{id}/victims/{victim}", access.ActIncidentRead, (*ask).victim},
		{"POST /incidents/{id}/victims/{victim}/reveal", access.ActPartyRead, (*ask).victimReveal},
		{"POST /incidents/{id}/victims/{victim}/call", access.ActIncidentCall, (*ask).call},
		{"POST /incidents/{id}/victims/{victim}/resolve", access.ActIncidentReconcile, (*ask).resolve},
		{"POST /incidents/{id}/victims/{victim}/assign", access.ActIncidentReconcile, (*ask).assign},
		{"POST /incidents/{id}/victims/{victim}/redirect", access.ActIncidentReconcile, (*ask).redirect},
		{"POST /incidents/{id}/victims/{victim}/refuse", access.ActIncidentReconcile, (*ask).refuseVictim},

		{"GET /claims", access.ActClaimList, (*ask).claims},
		{"GET /claims/{id}", access.ActClaimRead, (*ask).claim},
		{"POST /claims/{id}/reveal", access.ActPartyRead, (*ask).claimReveal},
		{"POST /claims/{id}/move", access.ActClaimAssign, (*ask).claimMove},
		{"POST /claims/{id}/decide", access.ActClaimDecide, (*ask).claimDecide},
		{"POST /claims/{id}/pay", access.ActFundPay, (*ask).claimPay},
		{"POST /claims/{id}/evidence", access.ActClaimEvidenceAdd, (*ask).evidenceAdd},
		{"GET /claims/{id}/evidence/{file}", access.ActClaimEvidenceRead, (*ask).evidence},
		{"GET /certificates/{id}", access.ActCertificateRead, (*ask).certificate},

		{"GET /funds", access.ActFundBoard, (*ask).funds},
		{"GET /funds/{id}", access.ActFundRead, (*ask).fund},
		{"POST /funds/{id}/deposit", access.ActFundDeposit, (*ask).deposit},
		{"POST /funds/status", access.ActFundSettle, (*ask).bankStatus},
	}
}

// riskRoutes are decisions, lists and watches.
func riskRoutes() []route {
	return []route{
		{"GET /decisions", access.ActPaymentList, (*ask).decisions},
		{"GET /decisions/live", access.ActPaymentList, (*ask).decisionsLive},
		{"GET /decisions.csv", access.ActPaymentList, (*ask).decisionsCSV},
		{"POST /decisions/act", access.ActPaymentList, (*ask).decisionsAct},
		{"GET /decisions/label", access.ActLabelAdd, (*ask).labelForm},
		{"POST /decisions/label", access.ActLabelAdd, (*ask).label},
		{"GET /payments/{id}/decision", access.ActPaymentRead, (*ask).decision},
		{"POST /payments/{id}/decision/recompute", access.ActPaymentRead, (*ask).recompute},

		{"GET /lists", access.ActListRead, (*ask).lists},
		{"GET /lists.csv", access.ActListRead, (*ask).listCSV},
		{"GET /lists/files", access.ActListRead, (*ask).listFiles},
		{"GET /lists/add", access.ActListEdit, (*ask).listAddForm},
		{"POST /lists/add", access.ActListEdit, (*ask).listAdd},
		{"POST /lists/import", access.ActListEdit, (*ask).listImport},
		{"POST /lists/export", access.ActListEdit, (*ask).listExport},
		{"GET /lists/{id}", access.ActListRead, (*ask).listEntry},
		{"POST /lists/{id}/reveal", access.ActListRead, (*ask).listReveal},
		{"POST /lists/{id}/extend", access.ActListEdit, (*ask).listExtend},
		{"POST /lists/{id}/remove", access.ActListEdit, (*ask).listRemove},

		{"GET /watches", access.ActWatchRead, (*ask).watches},
		{"GET /watches/live", access.ActWatchRead, (*ask).watchesLive},
		{"GET /watches/alarms", access.ActWatchRead, (*ask).alarmList},
		{"GET /watches/alarms/{id}", access.ActWatchRead, (*ask).alarm},
		{"POST /watches/alarms/{id}/{what}", access.ActWatchEdit, (*ask).alarmMove},
		{"GET /watches/stops", access.ActWatchRead, (*ask).stops},
		{"GET /watches/stop", access.ActWatchStop, (*ask).stopForm},
		{"POST /watches/stop", access.ActWatchStop, (*ask).stopMake},
		{"GET /watches/stops/{id}", access.ActWatchRead, (*ask).stop},
		{"POST /watches/stops/{id}/{what}", access.ActWatchStop, (*ask).stopMove},
		{"GET /watches/watch", access.ActWatchEdit, (*ask).watchForm},
		{"POST /watches/watch", access.ActWatchEdit, (*ask).watchSave},
	}
}

// house is the routes of those who look after the house itself.
func house() []route {
	return []route{
		{"GET /me", "", (*ask).me},
		{"POST /me/password", access.ActStaffPassword, (*ask).password},
		{"GET /approvals", access.ActApprovalRead, (*ask).approvals},
		{"POST /approvals/{id}/sign", access.ActApprovalSign, (*ask).sign},
		{"POST /approvals/{id}/withdraw", access.ActApprovalWithdraw, (*ask).withdraw},

		{"GET /audit", access.ActAuditRead, (*ask).audit},
		{"GET /audit/{id}", access.ActAuditRead, (*ask).auditEntry},
		{"GET /audit/{id}/proof.json", access.ActAuditRead, (*ask).auditProof},
		{"POST /audit/verify", access.ActAuditVerify, (*ask).auditVerify},

		{"GET /queue", access.ActQueueRead, (*ask).queue},
		{"POST /queue/{id}/requeue", access.ActQueueRequeue, (*ask).requeue},

		{"GET /staff", access.ActStaffRead, (*ask).staff},
		{"POST /staff/add", access.ActStaffManage, (*ask).staffAdd},
		{"POST /staff/{id}/{what}", access.ActStaffManage, (*ask).staffChange},
		{"POST /keys/add", access.ActKeyManage, (*ask).keyAdd},
		{"POST /keys/{id}/revoke", access.ActKeyManage, (*ask).keyRevoke},
	}
}

// door is the way in and out.
func door() []route {
	return []route{
		{"GET /sign-in", public, (*ask).signInPage},
		{"POST /sign-in", public, (*ask).signIn},
		{"POST /sign-out", public, (*ask).signOut},
	}
}

// public marks the routes that need nobody to be signed in.
const public access.Act = "public"
