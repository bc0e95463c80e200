package console

import (
	"crypto/sha256"
	_ "embed" // the clothes and the script of the editor
	"encoding/hex"
	"net/http"

	"surety/platform/access"
)

// ruleRoutes are the rules and the models.
func ruleRoutes() []route {
	return []route{
		{"GET /rules", access.ActRiskRead, (*ask).rules},
		{"GET /rules/pages.css", access.ActRiskRead, (*ask).rulesStyle},
		{"GET /rules/editor.js", access.ActRiskRead, (*ask).rulesScript},
		{"GET /rules/packs", access.ActRiskRead, (*ask).packs},
		{"GET /rules/pack", access.ActRiskRead, (*ask).pack},
		{"GET /rules/pack.yaml", access.ActRiskRead, (*ask).packFile},
		{"POST /rules/check", access.ActRiskRead, (*ask).ruleCheck},

		{"POST /rules/drafts", access.ActRiskEdit, (*ask).draftMake},
		{"GET /rules/drafts/{id}", access.ActRiskRead, (*ask).draft},
		{"GET /rules/drafts/{id}/pack.yaml", access.ActRiskRead, (*ask).draftFile},
		{"POST /rules/drafts/{id}", access.ActRiskEdit, (*ask).draftSave},
		{"POST /rules/drafts/{id}/file", access.ActRiskEdit, (*ask).draftUpload},
		{"POST /rules/drafts/{id}/drop", access.ActRiskEdit, (*ask).draftDrop},
		{"POST /rules/drafts/{id}/replay", access.ActRiskEdit, (*ask).draftReplay},
		{"POST /rules/drafts/{id}/publish", access.ActRiskEdit, (*ask).draftPublish},

		{"GET /rules/replays", access.ActRiskRead, (*ask).replays},
		{"GET /rules/replays/{id}", access.ActRiskRead, (*ask).replay},
		{"GET /rules/replays/{id}/live", access.ActRiskRead, (*ask).replayLive},
		{"POST /rules/replays/{id}/cancel", access.ActRiskEdit, (*ask).replayCancel},

		{"GET /rules/publications/{id}", access.ActRiskRead, (*ask).publication},
		{"POST /rules/publications/{id}/sign", access.ActRiskPublish, (*ask).publicationSign},
		{"POST /rules/publications/{id}/withdraw", access.ActRiskPublish, (*ask).publicationWithdraw},
		{"POST /rules/publications/{id}/takeback", access.ActRiskPublish, (*ask).publicationTakeBack},

		{"GET /models", access.ActRiskRead, (*ask).models},
		{"GET /models/live", access.ActRiskRead, (*ask).modelsLive},
		{"POST /models/import", access.ActRiskEdit, (*ask).modelImport},
		{"GET /models/{id}", access.ActRiskRead, (*ask).model},
		{"GET /models/{id}/live", access.ActRiskRead, (*ask).modelLive},
		{"GET /models/{id}/model.json", access.ActRiskRead, (*ask).modelFile},
		{"POST /models/{id}/promote", access.ActRiskPublish, (*ask).modelPromote},
		{"POST /models/{id}/retire", access.ActRiskEdit, (*ask).modelRetire},
	}
}

//go:embed rules.css
var rulesCSS []byte

//go:embed rules.js
var rulesJS []byte

// assetHref is an address that changes with what is in the file, so that browsers
// may keep it.
func assetHref(path string, body []byte) string {
	sum := sha256.Sum256(body)
	return path + "?v=" + hex.EncodeToString(sum[:6])
}

func (a *ask) rulesStyle() error  { return a.asset("text/css; charset=utf-8", rulesCSS) }
func (a *ask) rulesScript() error { return a.asset("text/javascript; charset=utf-8", rulesJS) }

// asset answers with a file of the program itself: nobody's data is in it.
func (a *ask) asset(mime string, body []byte) error {
	a.w.Header().Set("Content-Type", mime)
	a.w.Header().Set("Cache-Control", "private, max-age=31536000, immutable")
	if a.r.Method != http.MethodHead {
		_, _ = a.w.Write(body) // the browser has gone: there is nobody to tell
	}
	return nil
}
