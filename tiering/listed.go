package tiering

import (
	"context"

	"penstock/schema"
)

// Listed is what the manifests list of some days, for who reads the cold tier
// without ClickHouse.
type Listed struct {
	// Schema is the newest version that is ready; a file may be of an older one.
	Schema *schema.Schema
	// Files are in the order of days, and of a day in that of generations.
	Files []ListedFile
}

// ListedFile is a file and the day it is of.
type ListedFile struct {
	Day schema.Day
	File
}

// Listed returns the files of the days from first to last, both included.
func (c *Compactor) Listed(ctx context.Context, first, last schema.Day) (Listed, error) {
	s, err := c.warehouse.Schema(ctx)
	if err != nil {
		return Listed{}, err
	}
	manifests, err := c.catalog.manifests(ctx)
	if err != nil {
		return Listed{}, err
	}
	listed := Listed{Schema: s}
	for _, day := range daysOf(manifests) {
		if day < first || day > last {
			continue
		}
		for _, g := range manifests[day].Generations {
			for _, f := range g.Files {
				listed.Files = append(listed.Files, ListedFile{Day: day, File: f})
			}
		}
	}
	return listed, nil
}
