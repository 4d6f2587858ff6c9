#include "services/capf/core/audit_record.h"

#include <utility>

#include "services/common/bytes/byte_span.h"
#include "services/common/bytes/byte_writer.h"
#include "services/common/bytes/hex.h"
#include "services/common/crypto/digest.h"

namespace sallyport::capf {
namespace {

// Every field with its length before it: no two records have the same bytes.
std::string HashOf(const AuditRecord& record) {
  ByteBuilder bytes;
  bytes.WriteU64(static_cast<uint64_t>(record.sequence));
  bytes.WriteU64(static_cast<uint64_t>(absl::ToUnixMicros(record.time)));
  for (const std::string* field :
       {&record.event.event, &record.event.actor, &record.event.subject,
        &record.event.details, &record.previous_hash}) {
    bytes.WriteU32(static_cast<uint32_t>(field->size()));
    bytes.WriteText(*field);
  }
  const Sha256Digest digest = Sha256(bytes.written());
  return HexEncode(digest);
}

}  // namespace

AuditRecord ChainAudit(int64_t sequence, std::string_view previous_hash,
                       absl::Time time, AuditEvent event) {
  AuditRecord record{.sequence = sequence,
                     // As fine as the store keeps it.
                     .time = absl::FromUnixMicros(absl::ToUnixMicros(time)),
                     .event = std::move(event),
                     .previous_hash = std::string(previous_hash)};
  record.hash = HashOf(record);
  return record;
}

bool AuditFollows(const AuditRecord& record, int64_t previous_sequence,
                  std::string_view previous_hash) {
  return record.sequence == previous_sequence + 1 &&
         record.previous_hash == previous_hash && record.hash == HashOf(record);
}

}  // namespace sallyport::capf
