// Package machine reads from Linux what a run costs the machine: the processor
// time of processes, their memory, the flushes of the disk; and what machine it
// is. It needs no privileges beyond those of the processes' owner, and changes
// nothing.
package machine
