// Package report makes of many runs what a reader wants to know: medians, the
// ratios of Paybuf to each peer, a document in Markdown and a chart in SVG. It
// writes one document on intake and one on journals.
//
// It promises that a ratio only compares runs of the same case and round, which
// the machine's moods have hit alike, and that it shows how far the rounds
// disagree.
package report
