// Reads rows of our store, whose octets are hex and whose times are
// microseconds.

#ifndef SALLYPORT_SERVICES_CAPF_IO_ROW_READER_H_
#define SALLYPORT_SERVICES_CAPF_IO_ROW_READER_H_

#include <limits>
#include <string>
#include <utility>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "services/common/bytes/hex.h"
#include "services/common/sql/sql_statements.h"

namespace sallyport::capf {

// Reads a row by column name. It throws on a wrong name or type, which is
// then a fault of ours. Thread-compatible.
class RowReader {
 public:
  explicit RowReader(const SqlRow& row) : row_(row) {}

  std::string Text(const char* column) const { return row_.Text(column); }
  std::string Octets(const char* column) const {
    absl::StatusOr<std::string> octets = HexDecode(Text(column));
    return octets.ok() ? *std::move(octets) : std::string();
  }
  long long Number(const char* column) const { return row_.Number(column); }
  absl::Time Time(const char* column) const {
    const long long micros = Number(column);
    if (micros == std::numeric_limits<long long>::max()) {
      return absl::InfiniteFuture();
    }
    if (micros == std::numeric_limits<long long>::min()) {
      return absl::InfinitePast();
    }
    return absl::FromUnixMicros(micros);
  }
  template <typename Enum>
  Enum As(const char* column) const {
    return static_cast<Enum>(Number(column));
  }

 private:
  const SqlRow& row_;
};

}  // namespace sallyport::capf

#endif  // SALLYPORT_SERVICES_CAPF_IO_ROW_READER_H_
