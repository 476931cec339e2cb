package iceberg

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"maps"
	"slices"

	"penstock/schema"
	"penstock/tiering"
)

// Version is a version of a day's manifest.
type Version struct {
	Day     schema.Day
	Version int
}

// String returns the version as a snapshot names it: 2026-10-01@3.
func (v Version) String() string { return fmt.Sprintf("%s@%d", v.Day, v.Version) }

// Addition is a file to be added to the table.
type Addition struct {
	Day  schema.Day
	File tiering.File
}

// Commit is what one snapshot changes. The files of a day change in one
// snapshot, so that no reader sees some of a merge.
type Commit struct {
	// Versions are the manifests it brings in, oldest day first; a day stands
	// here only if its files change.
	Versions []Version
	Add      []Addition
	// Remove are keys of files that no manifest lists any more.
	Remove []string
}

// ID names the commit by what it brings in, so that a registrar which did not
// hear whether it was made finds out from the table's snapshots.
func (c Commit) ID(table string) string {
	h := sha256.New()
	fmt.Fprintln(h, table)
	for _, v := range c.Versions {
		fmt.Fprintln(h, v)
	}
	return hex.EncodeToString(h.Sum(nil)[:16])
}

// Rows is how many rows the added files have.
func (c Commit) Rows() (n uint64) {
	for _, a := range c.Add {
		n += a.File.Rows
	}
	return n
}

// Plan returns the commits after which the table has exactly the files that the
// manifests list, oldest day first. Listed are the table's files: the day of
// each, by key. A commit has whole days, and no day more once it changes most
// files. Plan does no I/O.
//
// A day that the table has and no manifest knows is an error and nothing to
// remove: manifests of a day are never all deleted, so somebody else's are read.
func Plan(table string, published map[schema.Day]*tiering.Manifest, listed map[string]schema.Day, most int) ([]Commit, error) {
	gone := make(map[schema.Day][]string)
	for key, day := range listed {
		if published[day] == nil {
			return nil, fmt.Errorf("the table has %s, and there is no manifest of %s: check s3.bucket, s3.prefix and the schema's name, or name another table", key, day)
		}
		gone[day] = append(gone[day], key)
	}
	var commits []Commit
	var open Commit
	for _, day := range slices.Sorted(maps.Keys(published)) {
		m := published[day]
		var add []Addition
		keep := make(map[string]bool)
		for _, g := range m.Generations {
			for _, f := range g.Files {
				key := f.Key(table)
				keep[key] = true
				if _, ok := listed[key]; !ok {
					add = append(add, Addition{Day: day, File: f})
				}
			}
		}
		remove := slices.DeleteFunc(gone[day], func(key string) bool { return keep[key] })
		if len(add)+len(remove) == 0 {
			continue
		}
		slices.Sort(remove)
		open.Versions = append(open.Versions, Version{Day: day, Version: m.Version})
		open.Add = append(open.Add, add...)
		open.Remove = append(open.Remove, remove...)
		if len(open.Add)+len(open.Remove) >= most {
			commits = append(commits, open)
			open = Commit{}
		}
	}
	if len(open.Versions) > 0 {
		commits = append(commits, open)
	}
	return commits, nil
}
