package storm

import "fmt"

// Invariant is one of the things that must hold whatever fails.
type Invariant string

// The invariants of docs/mutations.md.
const (
	Kept     Invariant = "I1" // whoever got a 202 gets an end, or the reason why a person must decide
	Once     Invariant = "I2" // at most one charge of an order; one if a payment of it succeeded, none if failed or canceled
	Amounts  Invariant = "I4" // what is charged and shown, and not before when, is the accepted body's
	Final    Invariant = "I5" // a final state never changes, and no version goes back
	Complete Invariant = "I6" // accepted = open + final + parked
	Heard    Invariant = "I7" // each event is delivered, signed, with one body per webhook-id, and those of a payment in line
)

// Violation is a broken invariant, with what shows it.
type Violation struct {
	Invariant Invariant
	Detail    string
}

func (v Violation) Error() string { return string(v.Invariant) + ": " + v.Detail }

func broken(i Invariant, format string, args ...any) Violation {
	return Violation{Invariant: i, Detail: fmt.Sprintf(format, args...)}
}
