package loadtest

import (
	"context"
	"errors"
	"fmt"
	"iter"

	"penstock/schema"
)

// Upgraded is what a run has sent of an [Upgrade], for its proof.
type Upgraded struct {
	Fields   int             `json:"fields"`
	Encoding schema.Encoding `json:"encoding"`
	Readings uint64          `json:"readings"` // of the new firmware
}

// upgraded is what the proof of an upgrade asks of the table.
type upgraded interface {
	// Columns tells for each field whether the table has a column of its name.
	Columns(ctx context.Context, fields []newField) ([]bool, error)
	// NewFields returns the fields' values in the rows of these devices that
	// are of the new firmware, and of others that have one. A field is read by
	// its name where columns says so, and from extra where not.
	NewFields(ctx context.Context, ids idRange, encoding schema.Encoding, fields []newField, columns []bool) iter.Seq2[fieldsRow, error]
}

// fieldsRow is the new fields of one row.
type fieldsRow struct {
	device, firmware string
	seq              uint64
	values           []string // as text, one a field; "" if the row has none
}

// UpgradeProof compares the new fields that are stored with those sent.
type UpgradeProof struct {
	Firmware string `json:"firmware"`
	Sent     uint64 `json:"sent"`   // readings of it
	Stored   uint64 `json:"stored"` // rows of it
	// Stray are rows of another firmware that have a new field.
	Stray  uint64       `json:"stray"`
	Fields []FieldProof `json:"fields"`
}

// FieldProof is one new field in the rows of the new firmware.
type FieldProof struct {
	Name   string `json:"name"`
	Column bool   `json:"column"` // read by its name; otherwise from extra
	Right  uint64 `json:"right"`
	Wrong  uint64 `json:"wrong"`
	Absent uint64 `json:"absent"`
}

// proveUpgrade compares every value of every new field with what the device has
// sent; nil for a run without an upgrade.
func proveUpgrade(ctx context.Context, src upgraded, s Sent) (*UpgradeProof, error) {
	if s.Upgrade == nil {
		return nil, nil //nolint:nilnil // nothing was sent, so there is nothing to prove
	}
	fields := newFields[:s.Upgrade.Fields]
	columns, err := src.Columns(ctx, fields)
	if err != nil {
		return nil, fmt.Errorf("columns of the new fields: %w", err)
	}
	p := &UpgradeProof{Firmware: upgradeFirmware, Sent: s.Upgrade.Readings}
	for i, f := range fields {
		p.Fields = append(p.Fields, FieldProof{Name: f.name, Column: columns[i]})
	}
	ids := s.ids(chunk{0, uint32(len(s.Seqs))})
	for row, err := range src.NewFields(ctx, ids, s.Upgrade.Encoding, fields, columns) {
		if err != nil {
			return nil, fmt.Errorf("new fields of run %s: %w", s.Run, err)
		}
		if row.firmware != upgradeFirmware {
			p.Stray++
			continue
		}
		p.Stored++
		device, _ := s.device(row.device)
		for i, got := range row.values {
			switch want := fields[i].text(fields[i].draw(s.Seed, device, uint32(row.seq))); got {
			case want:
				p.Fields[i].Right++
			case "":
				p.Fields[i].Absent++
			default:
				p.Fields[i].Wrong++
			}
		}
	}
	return p, nil
}

// fault returns what the proof found wrong, nil if nothing.
func (p *UpgradeProof) fault() error {
	if p == nil {
		return nil
	}
	var errs faults
	if p.Stored != p.Sent {
		errs = append(errs, fmt.Errorf("%d rows of firmware %s, %d sent", p.Stored, p.Firmware, p.Sent))
	}
	errs.check(p.Stray, "%d rows of other firmware with new fields")
	for _, f := range p.Fields {
		errs.check(f.Wrong, "%d wrong values of "+f.Name)
		errs.check(f.Absent, "%d rows without "+f.Name)
	}
	return errors.Join(errs...)
}

// String sums the proof up for a person; empty without one.
func (p *UpgradeProof) String() string {
	if p == nil {
		return ""
	}
	s := fmt.Sprintf("firmware %s: %d readings, %d rows\n", p.Firmware, p.Sent, p.Stored)
	for _, f := range p.Fields {
		where := "extra"
		if f.Column {
			where = "its column"
		}
		s += fmt.Sprintf("  %s from %s: %d right, %d wrong, %d absent\n", f.Name, where, f.Right, f.Wrong, f.Absent)
	}
	return s
}
