// Package table reads CSV files (RFC 4180) whose first row names the columns: row
// by row, by columns that are found by name, with amounts that are exact.
//
// It promises that memory does not grow with a file, that a quote which is never
// closed is an error, and that no error repeats what stands in a row: a wrongly
// mapped column may hold anything. It knows nothing of what the rows are about.
package table
