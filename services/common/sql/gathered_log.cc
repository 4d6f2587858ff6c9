#include "services/common/sql/gathered_log.h"

#include <soci/soci.h>
#include <soci/sqlite3/soci-sqlite3.h>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <new>

#include "absl/strings/str_cat.h"
#include "services/common/sql/uri_escape.h"

namespace sallyport {
namespace {

using sqlite_api::sqlite3_file;
using sqlite_api::sqlite3_int64;
using sqlite_api::sqlite3_io_methods;
using sqlite_api::sqlite3_vfs;

constexpr char kName[] = "sallyport_gathered_log";
// The layer below writes no more octets at once: 31 pages.
constexpr sqlite3_int64 kMostWaiting = 0x1ffff;

// SQLite gives the memory for it, and behind it that for the file below.
struct LogFile {
  sqlite3_file base;  // first: SQLite knows this part
  sqlite3_file* below;
  std::string waiting;
  sqlite3_int64 begin;  // of `waiting`, in the file
};

LogFile& Of(sqlite3_file* file) { return *reinterpret_cast<LogFile*>(file); }

int WriteWaiting(LogFile& log) {
  if (log.waiting.empty()) return SQLITE_OK;
  const int result = log.below->pMethods->xWrite(
      log.below, log.waiting.data(), static_cast<int>(log.waiting.size()),
      log.begin);
  // After an error SQLite gives the commit up, and writes these places anew.
  log.waiting.clear();
  return result;
}

// One of the file below, which looks at what it holds or changes it.
template <auto kMethod, typename... Args>
int AfterWaiting(sqlite3_file* file, Args... args) {
  LogFile& log = Of(file);
  const int written = WriteWaiting(log);
  if (written != SQLITE_OK) return written;
  return (log.below->pMethods->*kMethod)(log.below, args...);
}

int Close(sqlite3_file* file) {
  LogFile& log = Of(file);
  // What no sync came for was not committed.
  const int written = WriteWaiting(log);
  const int closed = log.below->pMethods->xClose(log.below);
  std::destroy_at(&log);
  return written != SQLITE_OK ? written : closed;
}

int Write(sqlite3_file* file, const void* from, int size,
          sqlite3_int64 offset) {
  LogFile& log = Of(file);
  const auto waits = static_cast<sqlite3_int64>(log.waiting.size());
  if (offset != log.begin + waits || waits + size > kMostWaiting) {
    const int written = WriteWaiting(log);
    if (written != SQLITE_OK) return written;
    log.begin = offset;
  }
  log.waiting.append(static_cast<const char*>(from), static_cast<size_t>(size));
  return SQLITE_OK;
}

int SectorSize(sqlite3_file* file) {
  sqlite3_file* const below = Of(file).below;
  return below->pMethods->xSectorSize(below);
}

int DeviceCharacteristics(sqlite3_file* file) {
  sqlite3_file* const below = Of(file).below;
  return below->pMethods->xDeviceCharacteristics(below);
}

// Without what came with later versions: shared and mapped memory, which a log
// has none of.
constexpr sqlite3_io_methods MakeMethods() {
  sqlite3_io_methods out = {};
  out.iVersion = 1;
  out.xClose = Close;
  out.xRead = AfterWaiting<&sqlite3_io_methods::xRead>;
  out.xWrite = Write;
  out.xTruncate = AfterWaiting<&sqlite3_io_methods::xTruncate>;
  out.xSync = AfterWaiting<&sqlite3_io_methods::xSync>;
  out.xFileSize = AfterWaiting<&sqlite3_io_methods::xFileSize>;
  out.xLock = AfterWaiting<&sqlite3_io_methods::xLock>;
  out.xUnlock = AfterWaiting<&sqlite3_io_methods::xUnlock>;
  out.xCheckReservedLock =
      AfterWaiting<&sqlite3_io_methods::xCheckReservedLock>;
  out.xFileControl = AfterWaiting<&sqlite3_io_methods::xFileControl>;
  out.xSectorSize = SectorSize;
  out.xDeviceCharacteristics = DeviceCharacteristics;
  return out;
}

constexpr sqlite3_io_methods kMethods = MakeMethods();

sqlite3_vfs* Below(sqlite3_vfs* ours) {
  return static_cast<sqlite3_vfs*>(ours->pAppData);
}

int Open(sqlite3_vfs* ours, const char* name, sqlite3_file* file, int flags,
         int* flags_out) {
  sqlite3_vfs* const below = Below(ours);
  if ((flags & SQLITE_OPEN_WAL) == 0) {
    return below->xOpen(below, name, file, flags, flags_out);
  }
  auto* const inner = reinterpret_cast<sqlite3_file*>(
      reinterpret_cast<uint8_t*>(file) + sizeof(LogFile));
  inner->pMethods = nullptr;
  file->pMethods = nullptr;
  const int result = below->xOpen(below, name, inner, flags, flags_out);
  if (result != SQLITE_OK) {
    if (inner->pMethods != nullptr) inner->pMethods->xClose(inner);
    return result;
  }
  new (file) LogFile{{&kMethods}, inner, {}, 0};
  return SQLITE_OK;
}

template <auto kMethod, typename Result, typename... Args>
Result PassOn(sqlite3_vfs* ours, Args... args) {
  sqlite3_vfs* const below = Below(ours);
  return (below->*kMethod)(below, args...);
}

bool Register() {
  sqlite3_vfs* const below = sqlite_api::sqlite3_vfs_find(nullptr);
  if (below == nullptr || below->iVersion < 2) return false;
  static sqlite3_vfs ours = {};
  ours.iVersion = 2;
  ours.szOsFile = static_cast<int>(sizeof(LogFile)) + below->szOsFile;
  ours.mxPathname = below->mxPathname;
  ours.zName = kName;
  ours.pAppData = below;
  ours.xOpen = Open;
  ours.xDelete = PassOn<&sqlite3_vfs::xDelete>;
  ours.xAccess = PassOn<&sqlite3_vfs::xAccess>;
  ours.xFullPathname = PassOn<&sqlite3_vfs::xFullPathname>;
  ours.xDlOpen = PassOn<&sqlite3_vfs::xDlOpen>;
  ours.xDlError = PassOn<&sqlite3_vfs::xDlError>;
  ours.xDlSym = PassOn<&sqlite3_vfs::xDlSym>;
  ours.xDlClose = PassOn<&sqlite3_vfs::xDlClose>;
  ours.xRandomness = PassOn<&sqlite3_vfs::xRandomness>;
  ours.xSleep = PassOn<&sqlite3_vfs::xSleep>;
  ours.xCurrentTime = PassOn<&sqlite3_vfs::xCurrentTime>;
  ours.xGetLastError = PassOn<&sqlite3_vfs::xGetLastError>;
  ours.xCurrentTimeInt64 = PassOn<&sqlite3_vfs::xCurrentTimeInt64>;
  return sqlite_api::sqlite3_vfs_register(&ours, /*makeDflt=*/0) == SQLITE_OK;
}

}  // namespace

std::string GatheredLogUri(const std::string& path) {
  static const bool kRegistered = Register();
  if (!kRegistered) return "";
  // https://www.sqlite.org/uri.html: all octets may be escaped.
  return absl::StrCat("file:", UriEscape(path), "?vfs=", kName);
}

}  // namespace sallyport
