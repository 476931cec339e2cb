package faultproxy

import (
	"net/http"
	"strings"
)

// Operation is what a request asks for, by its name in the S3 API.
type Operation string

// The operations told apart; any other is [Other].
const (
	PutObject               Operation = "PutObject"
	GetObject               Operation = "GetObject"
	HeadObject              Operation = "HeadObject"
	DeleteObject            Operation = "DeleteObject"
	ListObjectsV2           Operation = "ListObjectsV2"
	CreateMultipartUpload   Operation = "CreateMultipartUpload"
	UploadPart              Operation = "UploadPart"
	CompleteMultipartUpload Operation = "CompleteMultipartUpload"
	AbortMultipartUpload    Operation = "AbortMultipartUpload"
	ListMultipartUploads    Operation = "ListMultipartUploads"
	ListParts               Operation = "ListParts"
	Other                   Operation = "other"
)

// operation returns what a request in path style asks for, and the key it is
// about; for a listing that is the prefix.
func operation(r *http.Request) (Operation, string) {
	_, key, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, "/"), "/")
	query := r.URL.Query()
	if key == "" {
		switch {
		case r.Method == http.MethodGet && query.Get("list-type") == "2":
			return ListObjectsV2, query.Get("prefix")
		case r.Method == http.MethodGet && query.Has("uploads"):
			return ListMultipartUploads, query.Get("prefix")
		}
		return Other, ""
	}
	part := query.Has("uploadId")
	switch {
	case r.Method == http.MethodPut && part:
		return UploadPart, key
	case r.Method == http.MethodPut:
		return PutObject, key
	case r.Method == http.MethodGet && part:
		return ListParts, key
	case r.Method == http.MethodGet:
		return GetObject, key
	case r.Method == http.MethodHead:
		return HeadObject, key
	case r.Method == http.MethodPost && query.Has("uploads"):
		return CreateMultipartUpload, key
	case r.Method == http.MethodPost && part:
		return CompleteMultipartUpload, key
	case r.Method == http.MethodDelete && part:
		return AbortMultipartUpload, key
	case r.Method == http.MethodDelete:
		return DeleteObject, key
	}
	return Other, key
}
