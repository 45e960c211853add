// Package processortest has the ledger as a model: what postgres.DB promises to the
// processor, in memory and small enough to be read in one go.
//
// It promises to answer as the real ledger does, which a test of package postgres
// holds it to; so what is found with the model is true of the product. Flaws break
// one of its promises on purpose, to show that a test would notice. It is for tests
// only and never part of the program.
package processortest
