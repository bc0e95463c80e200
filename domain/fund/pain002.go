package fund

import (
	"encoding/xml"
	"slices"
	"strings"

	"surety/kernel/ident"
)

// The parts of ISO 20022 pain.002.001.10 (CustomerPaymentStatusReportV10) that
// Surety reads. What may stand there once only is read as a list, so that a
// second value is seen and not silently the one that counts.

const space002 = "urn:iso:std:iso:20022:tech:xsd:pain.002.001.10"

type doc002 struct {
	XMLName xml.Name  `xml:"urn:iso:std:iso:20022:tech:xsd:pain.002.001.10 Document"`
	Report  report002 `xml:"CstmrPmtStsRpt"`
}

type report002 struct {
	MsgID    string        `xml:"GrpHdr>MsgId"`
	Created  string        `xml:"GrpHdr>CreDtTm"`
	Group    group002      `xml:"OrgnlGrpInfAndSts"`
	Payments []payments002 `xml:"OrgnlPmtInfAndSts"`
}

type group002 struct {
	MsgID   string      `xml:"OrgnlMsgId"`
	Name    string      `xml:"OrgnlMsgNmId"`
	Count   string      `xml:"OrgnlNbOfTxs,omitempty"`
	Sum     string      `xml:"OrgnlCtrlSum,omitempty"`
	Status  string      `xml:"GrpSts,omitempty"`
	Reasons []reason002 `xml:"StsRsnInf"`
}

type payments002 struct {
	ID      string      `xml:"OrgnlPmtInfId"`
	Status  string      `xml:"PmtInfSts,omitempty"`
	Reasons []reason002 `xml:"StsRsnInf"`
	Txs     []tx002     `xml:"TxInfAndSts"`
}

type tx002 struct {
	StatusID string      `xml:"StsId,omitempty"`
	InstrID  string      `xml:"OrgnlInstrId,omitempty"`
	EndToEnd []string    `xml:"OrgnlEndToEndId"`
	Status   []string    `xml:"TxSts"`
	Reasons  []reason002 `xml:"StsRsnInf"`
	Ref      string      `xml:"AcctSvcrRef,omitempty"`
	Original *orig002    `xml:"OrgnlTxRef"`
}

type orig002 struct {
	Amount []amountXML `xml:"Amt>InstdAmt"`
}

type reason002 struct {
	Code  string   `xml:"Rsn>Cd,omitempty"`
	Own   string   `xml:"Rsn>Prtry,omitempty"`
	Words []string `xml:"AddtlInf"`
}

// verdict is what a status of the external code set means to us.
type verdict int

const (
	noVerdict verdict = iota
	arrived
	underWay
	refused
)

// verdicts are the codes of ExternalPaymentTransactionStatus1Code that a bank
// uses for credit transfers. Others are a problem for a person.
var verdicts = map[string]verdict{
	"ACCC": arrived, // settled on the creditor's account
	"ACSC": arrived, // settled on the debtor's account
	"ACSP": underWay, "ACTC": underWay, "ACCP": underWay, "ACWP": underWay, "ACFC": underWay,
	"PDNG": underWay, "RCVD": underWay,
	"RJCT": refused,
}

// reasons are the codes of ExternalStatusReason1Code that people meet most.
var reasons = map[string]string{
	"AC01": "the account number is wrong",
	"AC03": "the payee's account number is wrong",
	"AC04": "the account is closed",
	"AC06": "the account is blocked",
	"AG01": "the account takes no such payments",
	"AM02": "the amount is not allowed",
	"AM04": "there is not enough money on our account",
	"AM05": "the bank takes it for a duplicate",
	"BE01": "name and account do not belong together",
	"DU01": "the bank takes the file for a duplicate",
	"DU02": "the bank takes the payment information for a duplicate",
	"DU03": "the bank takes the transaction for a duplicate",
	"DU04": "the bank takes the end-to-end id for a duplicate",
	"DU05": "the bank takes the instruction id for a duplicate",
	"DUPL": "the bank takes it for a duplicate",
	"MD07": "the payee has died",
	"MS02": "the payee's bank gives no reason",
	"MS03": "the bank gives no reason",
	"NARR": "see the bank's words",
	"RC01": "the payee's bank is not known",
	"RR04": "a regulator's rule",
}

// duplicates are the reasons of a bank that holds a payment for one that it has
// already (external code set: ExternalStatusReason1Code). They say nothing against
// the first copy of the file: that one may be paid.
var duplicates = map[string]bool{
	"AM05": true, "DUPL": true, "DU01": true, "DU02": true, "DU03": true, "DU04": true, "DU05": true,
}

// duplicate reports whether any of the reasons is one for a second copy. One is
// enough: a refusal that is not clearly one of the payment itself is none.
func duplicate(rs []reason002) bool {
	return slices.ContainsFunc(rs, func(r reason002) bool {
		return duplicates[strings.ToUpper(strings.TrimSpace(r.Code))] || duplicates[strings.ToUpper(strings.TrimSpace(r.Own))]
	})
}

// why is the first reason in words that people understand. The bank's own words
// are left out unless they are all there is: they may hold names.
func why(rs []reason002) string {
	for _, r := range rs {
		if r.Code != "" {
			known := reasons[r.Code]
			if r.Code == "NARR" && len(r.Words) > 0 {
				known = r.Words[0]
			}
			return clean(strings.TrimSuffix(r.Code+": "+known, ": "), maxText)
		}
		if r.Own != "" {
			return clean(r.Own, maxText)
		}
		if len(r.Words) > 0 {
			return clean(r.Words[0], maxText)
		}
	}
	return "the bank gives no reason"
}

// one is the value of what may stand there once.
func one(at, name string, values []string) (string, error) {
	if len(values) != 1 || values[0] == "" {
		return "", ident.Invalid(at, "status_malformed",
			"%s must stand there once, it stands there %d times", name, len(values))
	}
	return values[0], nil
}
