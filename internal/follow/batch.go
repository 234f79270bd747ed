package follow

// Limits bound one batch. A batch may exceed Bytes by one line, and Lines by the
// gaps that were found on the way.
type Limits struct {
	Lines int // default 256
	Bytes int // of delivered text; default 8 MiB
}

// scanLimit is how much is read for one batch: with few lines kept, the bookmark
// comes back at least this often.
const scanLimit = 64 << 20

// Batch is what Next returns.
type Batch struct {
	Items []Item
	// After is where to go on after the whole batch. It may be further than the last
	// item's: lines that Keep turned down need no work.
	After Bookmark
	// Passed counts lines that Keep or Since turned down.
	Passed int64

	text    int
	scanned int64
}

// Item is a line, or a gap.
type Item struct {
	Source Source
	// Text is the line without its newline; the caller owns it. It is nil for a gap.
	Text []byte
	// File and Offset are where the line begins: the file's name is relative to the
	// source's folder and without ".gz", the offset in uncompressed bytes.
	File   string
	Offset int64
	// Gap is nil for a line.
	Gap *Gap
	// After is where to go on once this item has been dealt with.
	After Bookmark
}

func (b *Batch) full(lim Limits) bool {
	return len(b.Items) >= lim.Lines || b.text >= lim.Bytes || b.scanned >= scanLimit
}
