// One line of the audit record, chained to the one before by its hash.

#ifndef SALLYPORT_SERVICES_CAPF_CORE_AUDIT_RECORD_H_
#define SALLYPORT_SERVICES_CAPF_CORE_AUDIT_RECORD_H_

#include <cstdint>
#include <string>
#include <string_view>

#include "absl/time/time.h"

namespace sallyport::capf {

// What happened, as it is handed in; the store adds place and hashes.
struct AuditEvent {
  std::string event;    // "ISSUE_INTENT", "ISSUED", "LSC_STORED", ...
  std::string actor;    // caller's identity, or "capf" for the protocol
  std::string subject;  // resource name
  std::string details;  // "key=value" words; no secret
};

struct AuditRecord {
  int64_t sequence = 0;  // from 1, without gap
  absl::Time time = absl::UnixEpoch();
  AuditEvent event;
  std::string previous_hash;  // hex; empty for the first
  std::string hash;           // hex
};

// The record that follows `sequence` - 1 with hash `previous_hash`.
AuditRecord ChainAudit(int64_t sequence, std::string_view previous_hash,
                       absl::Time time, AuditEvent event);

// Whether `record` is whole and follows what came before.
bool AuditFollows(const AuditRecord& record, int64_t previous_sequence,
                  std::string_view previous_hash);

}  // namespace sallyport::capf

#endif  // SALLYPORT_SERVICES_CAPF_CORE_AUDIT_RECORD_H_
