package archive

// BoundText has row groups end at so many bytes of strings.
func BoundText(w *Writer, bytes int) { w.groupTextBytes = bytes }
