package client_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"time"

	"surety/client"
	"surety/kernel/money"
)

// A payment is judged before it goes. After a lost answer the same call gives
// the same answer.
func Example() {
	surety := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		io.WriteString(w, `{"id":"P2026053000017","state":"challenged","decision":{"outcome":"challenge","proofs":["face"],
"reasons":[{"code":"new_device","zh":"新设备","en":"a device never seen for this account","weight":300}]}}`)
	}))
	defer surety.Close()

	c, err := client.New(surety.URL, "sk_…")
	if err != nil {
		fmt.Println(err)
		return
	}
	p, again, err := c.Assess(context.Background(), client.Payment{
		ID: "P2026053000017", At: time.Date(2026, 5, 30, 1, 0, 0, 0, time.UTC), Payer: "W100043", Payee: "W100871",
		Amount: money.Of(24433826, money.CNY), Type: "transfer", Channel: "app", Device: "d-81", City: "成都",
	})
	if problem, ok := client.AsProblem(err); ok {
		fmt.Println(problem.Code, problem.Field()) // what is wrong, and where
		return
	}
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(p.Decision.Outcome, p.Decision.Proofs, p.Decision.Reasons[0].EN, again)
	// Output: challenge [face] a device never seen for this account false
}
