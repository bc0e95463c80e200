package access

import (
	"embed"
	"io/fs"

	"surety/platform/db"
)

//go:embed migrations/*.sql
var files embed.FS

// Migrations are the tables of this package.
var Migrations fs.FS = db.Folder(files)
