package report

import (
	"bytes"
	"fmt"
	"html"
	"strings"
)

// The chart's sizes, in pixels of its own coordinates.
const (
	chartWidth  = 880
	chartHeight = 368
	panelWidth  = 420
	panelGap    = 40
	barTop      = 92 // of the tallest bar
	barBottom   = 300
	barGap      = 3
	groupGap    = 28
)

// Colours that stand out on white and on black alike; the bars are told apart
// without telling red from green.
const ink = "#777777"

var barColours = []string{"#d55e00", "#3b82c4", "#009e73", "#a366a3"}

func colourOf(bar int) string { return barColours[bar%len(barColours)] }

// Chart draws the rate and p99 of new orders that come one by one, as SVG. The
// baseline is a note and no bar: beside one, the others could not be told apart.
func (d *Document) Chart() []byte {
	names := append([]string{d.Ours}, d.Peers...)
	var out bytes.Buffer
	fmt.Fprintf(&out, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" role="img" `+
		`font-family="system-ui, 'Segoe UI', Helvetica, Arial, sans-serif" fill="%s">`+"\n", chartWidth, chartHeight, ink)
	fmt.Fprintf(&out, "<title>Taking payments in: %s</title>\n", html.EscapeString(strings.Join(names, ", ")))
	drawLegend(&out, names)
	rates := d.panel(names, rate, 1)
	rates.title, rates.text, rates.left = "Requests per second (more is better)", whole, 0
	rates.draw(&out)
	slowest := d.panel(names, p99, 1e3)
	slowest.title, slowest.text, slowest.left = "99 % answered within, ms (less is better)", short, panelWidth+panelGap
	slowest.draw(&out)
	drawText(&out, label{x: chartWidth / 2, y: chartHeight - 8, size: 11, anchor: "middle",
		text: d.Baseline + ": HTTP alone, nothing is stored"})
	out.WriteString("</svg>\n")
	return out.Bytes()
}

// panel is one diagram: groups of bars over a common axis.
type panel struct {
	title        string
	left         float64
	text         func(float64) string // how a value is written
	baselineName string
	groups       []group
}

// group are the bars of one case.
type group struct {
	name     string
	bars     []float64
	baseline float64
}

// panel collects one metric of the plain cases.
func (d *Document) panel(names []string, of metric, scale float64) panel {
	all := samples(d.Samples)
	p := panel{baselineName: d.Baseline}
	for _, c := range all.cases(d.Ours) {
		if !c.isPlain() {
			continue
		}
		g := group{name: c.String(), baseline: all.of(d.Baseline, c).median(of) * scale}
		for _, name := range names {
			g.bars = append(g.bars, all.of(name, c).median(of)*scale)
		}
		p.groups = append(p.groups, g)
	}
	return p
}

func (p panel) highest() float64 {
	highest := 0.0
	for _, g := range p.groups {
		for _, value := range g.bars {
			highest = max(highest, value)
		}
	}
	return highest
}

func (p panel) draw(out *bytes.Buffer) {
	highest := p.highest()
	height := func(value float64) float64 {
		if highest <= 0 {
			return 0
		}
		return value / highest * (barBottom - barTop)
	}
	drawText(out, label{x: p.left + groupGap/2, y: 62, size: 14, text: p.title})
	width := float64(panelWidth) / float64(max(1, len(p.groups)))
	for i, g := range p.groups {
		p.drawGroup(out, g, p.left+float64(i)*width, width, height)
	}
	fmt.Fprintf(out, `<path d="M%.1f %dh%d" stroke="%s"/>`+"\n", p.left, barBottom, panelWidth, ink)
}

func (p panel) drawGroup(out *bytes.Buffer, g group, left, width float64, height func(float64) float64) {
	pitch := (width - groupGap) / float64(max(1, len(g.bars)))
	for i, value := range g.bars {
		x, y := left+groupGap/2+float64(i)*pitch, barBottom-height(value)
		fmt.Fprintf(out, `<rect x="%.1f" y="%.1f" width="%.1f" height="%.1f" fill="%s"/>`,
			x, y, pitch-barGap, height(value), colourOf(i))
		drawText(out, label{x: x + (pitch-barGap)/2, y: y - 5, size: 11, anchor: "middle", text: p.text(value)})
	}
	middle := left + width/2
	drawText(out, label{x: middle, y: barBottom + 19, size: 13, anchor: "middle", text: g.name})
	note := p.baselineName + " " + p.text(g.baseline)
	drawText(out, label{x: middle, y: barBottom + 35, size: 11, anchor: "middle", text: note})
}

func drawLegend(out *bytes.Buffer, names []string) {
	const y, side, pitch = 18, 12, 110
	x := float64(chartWidth-len(names)*pitch) / 2
	for i, name := range names {
		fmt.Fprintf(out, `<rect x="%.1f" y="%d" width="%d" height="%d" rx="2" fill="%s"/>`, x, y, side, side, colourOf(i))
		drawText(out, label{x: x + side + 6, y: y + side - 1, size: 14, text: name})
		x += pitch
	}
}

// label is a text at a place.
type label struct {
	x, y, size float64
	anchor     string // "start" if empty
	text       string
}

func drawText(out *bytes.Buffer, l label) {
	if l.anchor == "" {
		l.anchor = "start"
	}
	fmt.Fprintf(out, `<text x="%.1f" y="%.1f" font-size="%g" text-anchor="%s">%s</text>`+"\n",
		l.x, l.y, l.size, l.anchor, html.EscapeString(l.text))
}
