// Package runbooks has what to do about each symptom, and the pages that the
// admin server shows it on.
package runbooks

import (
	"bytes"
	"embed"
	"fmt"
	"html/template"
	"net/http"
	"slices"
	"strings"

	"github.com/yuin/goldmark"
	"github.com/yuin/goldmark/extension"
)

// Path is where the pages are; what follows it is an id, or nothing for the list.
const Path = "/runbooks/"

//go:embed *.md
var files embed.FS

// index is the page of the list.
const index = "index"

// Runbook is one page.
type Runbook struct {
	ID    string // such as disk-full
	Title string
	Text  string // Markdown
}

// All returns the runbooks by their ids.
func All() []Runbook {
	names, err := files.ReadDir(".")
	if err != nil {
		panic(fmt.Sprintf("runbooks: %v", err)) // they are part of the program
	}
	var all []Runbook
	for _, name := range names {
		if id := strings.TrimSuffix(name.Name(), ".md"); id != index {
			r, _ := Get(id)
			all = append(all, r)
		}
	}
	return all
}

// Get returns a runbook; false if there is none of that id.
func Get(id string) (Runbook, bool) {
	text, err := files.ReadFile(id + ".md")
	if err != nil {
		return Runbook{}, false
	}
	first, _, _ := strings.Cut(string(text), "\n")
	return Runbook{ID: id, Title: strings.TrimPrefix(first, "# "), Text: string(text)}, true
}

// Handler serves the pages, and the list of all of them.
func Handler() http.Handler {
	pages := map[string][]byte{}
	for _, r := range All() {
		pages[r.ID] = page(r, r.Text)
	}
	list, _ := Get(index)
	var links strings.Builder
	for _, r := range All() {
		fmt.Fprintf(&links, "- [%s](%s)\n", r.Title, r.ID)
	}
	pages[""] = page(list, list.Text+"\n## All of them\n\n"+links.String())
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		text, ok := pages[strings.TrimPrefix(r.URL.Path, Path)]
		if !ok {
			http.Error(w, fmt.Sprintf("there is no runbook %s; there are: %s", r.URL.Path, strings.Join(ids(), ", ")), http.StatusNotFound)
			return
		}
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		_, _ = w.Write(text) // who has gone away needs no answer
	})
}

func ids() (all []string) {
	for _, r := range All() {
		all = append(all, r.ID)
	}
	return slices.Sorted(slices.Values(all))
}

// frame needs no script and no other file, and is readable on a phone and at night.
var frame = template.Must(template.New("runbook").Parse(`<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark"><title>{{.Title}} - Penstock</title><style>
body{font:16px/1.5 system-ui,sans-serif;max-width:60rem;margin:0 auto;padding:1rem}
pre{overflow-x:auto;padding:.75rem;border:1px solid #8888;border-radius:4px;font-size:14px}
table{border-collapse:collapse;display:block;overflow-x:auto}
th,td{border:1px solid #8888;padding:.3rem .6rem;text-align:left;vertical-align:top}
</style></head><body><main><p><a href="./">All runbooks</a></p>
{{.Body}}</main></body></html>
`))

func page(r Runbook, text string) []byte {
	var body, all bytes.Buffer
	markdown := goldmark.New(goldmark.WithExtensions(extension.Table))
	if err := markdown.Convert([]byte(text), &body); err != nil {
		panic(fmt.Sprintf("runbook %s: %v", r.ID, err)) // it is part of the program
	}
	if err := frame.Execute(&all, struct {
		Title string
		Body  template.HTML
	}{r.Title, template.HTML(body.String())}); err != nil {
		panic(fmt.Sprintf("runbook %s: %v", r.ID, err))
	}
	return all.Bytes()
}
