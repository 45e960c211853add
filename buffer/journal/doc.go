// Package journal keeps receipts: an append-only record, on this machine's own
// disk, of each request that was accepted. A stream that lost what it had
// acknowledged is filled up again from it.
//
// It promises that a payload whose Commit or Append returned nil is handed out
// by Read, whole and unchanged, until its segment was removed: after a kill -9,
// after a power cut, beside damage to its neighbours. A payload whose call
// returned an error may be handed out too; whoever reads must bear that. Damage
// is never passed over in silence: it is logged and counted, with its place.
//
// It is the only package that writes to the journal's directory, and knows
// nothing of what the payloads mean.
//
// # Files
//
// The directory holds one file per segment, named by its number in 16
// hexadecimal digits: 000000000000002a.journal. Numbers rise; gaps are where
// segments were removed. A file that ends in .unfinished was never given to
// anybody and is removed by Open. All integers are little-endian.
//
// A segment begins with a block of 4096 bytes:
//
//	offset  bytes  field
//	     0      8  magic, "PAYBUFJL"
//	     8      4  format version, 1
//	    12      4  salt, random for each segment
//	    16      8  number of the segment, as in its name
//	    24      8  time of creation, Unix milliseconds
//	    32      8  bytes allocated, the size of the file until it is sealed
//	    40      4  CRC-32C of bytes 0 to 39
//	    44   4052  zeros
//
// Records follow without gaps, each at a multiple of 8 bytes:
//
//	offset  bytes  field
//	     0      4  magic, FA 72 6A FB
//	     4      4  CRC-32C of everything behind it but the padding
//	     8      4  length of the payload, at most 131072
//	    12      4  salt of the segment
//	    16      8  time of the Commit, Unix milliseconds
//	    24      n  payload
//	  24+n    0-7  zeros up to a multiple of 8
//
// Zeros up to the end of the file follow the last record while the segment is
// active, since a segment is allocated at its full size. Sealing truncates it
// behind the last record. So a file that is smaller than its allocation was
// sealed, and a missing or damaged end of it is no trace of a crash.
//
// After damage the reader goes on at the next multiple of 8 at which magic, salt
// and CRC agree. The salt keeps a payload from posing as a record there: nobody
// who writes payloads knows it. Where the header is damaged the salt is not
// checked, and every record is still found.
//
// # Writing
//
// A Commit encodes its group into one write and ends with one fdatasync. A group
// never spans two segments. Append's callers share Commits: all that came while
// the disk was busy make the next group, and nothing ever waits for company.
//
// A new segment is allocated, given its header and synced under a temporary
// name, then renamed, then its directory is synced; only then are records
// written to it. A group that finds no room for a new segment has so far changed
// nothing.
//
// Where records reach ground that was only allocated, a stretch of zeros is
// written behind them. The fdatasyncs of the next groups then find blocks that
// are in use already and write nothing but these.
//
// Like databases, it takes for granted that a write which a power cut
// interrupts changes no byte outside of what was being written.
//
// # Failures
//
//	what                                what then
//	write or fdatasync fails            the group gets the error. What is behind the last durable
//	                                    record is unknown, and a later fdatasync would not tell, so
//	                                    the segment is truncated there and never written to again.
//	                                    The next Commit begins a new segment
//	no room to allocate a segment       ErrNoSpace; nothing was written, no file is left; the next
//	                                    Commit tries again, and a group that fits into the active
//	                                    segment is still taken
//	BytesMax would be exceeded          ErrFull, likewise, until segments are removed
//	crash or power cut                  Open cuts off what is half written behind the last intact
//	                                    record (a torn tail), seals the segment and begins another
//	damage with intact records behind,  a corrupt region: reported with segment, offset and length,
//	or at the end of a sealed segment   once per Open; the records around it are handed out
//	damaged header                      likewise; all records are handed out
//	header of a later format version    Open fails: it is no damage, and the receipts are promises
//	the disk cannot be read             Read and Open fail: nothing is concluded from what is missing
package journal
