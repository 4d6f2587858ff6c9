// SQLite's write-ahead log, written in large pieces.

#ifndef SALLYPORT_SERVICES_COMMON_SQL_GATHERED_LOG_H_
#define SALLYPORT_SERVICES_COMMON_SQL_GATHERED_LOG_H_

#include <string>

namespace sallyport {

// SQLite writes each page of a commit, and 24 octets before it, by a call of
// its own. In a file system layer (VFS) of our own over SQLite's, what goes to
// the end of a log waits until it is synced, read, cut, measured or closed; all
// other files are SQLite's alone.
//
// For connections with locking_mode=EXCLUSIVE and synchronous=FULL only: others
// could not see what waits, and without FULL nobody syncs a commit. What SQLite
// says of durability holds as before, as no commit ends before its sync; an
// error of a write that waited is told to that sync.
//
// The name by which sqlite3_open_v2() finds it, on the file `path` (any octets
// but NUL). Empty: SQLite did not take the layer, and `path` is to be opened as
// it is. Thread-safe.
std::string GatheredLogUri(const std::string& path);

}  // namespace sallyport

#endif  // SALLYPORT_SERVICES_COMMON_SQL_GATHERED_LOG_H_
