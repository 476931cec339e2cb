// Package receipts asks ClickHouse which records are stored.
package receipts
