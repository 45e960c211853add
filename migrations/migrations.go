// Package migrations holds the SQL files that make and change Paybuf's tables,
// embedded so that the one binary brings its schema along.
//
// It promises that a file which has been released is never edited, and that each
// only expands what is there: the binary before and the binary after it both work
// with the tables it leaves. What must break the older one comes in a release of
// its own and raises schema_floor.needs. There is no logic here; package postgres
// runs the files, in the order of their numbers.
package migrations

import "embed"

// Files are named NNNNN_what.sql and hold goose's Up and Down sections.
//
//go:embed *.sql
var Files embed.FS
