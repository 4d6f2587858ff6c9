// What credential_issuer and the media relays know of a call, as lines beside
// its SIP messages (AVE-48).

#ifndef SALLYPORT_TOOLS_CLI_TRACE_NOTES_H_
#define SALLYPORT_TOOLS_CLI_TRACE_NOTES_H_

#include <string>
#include <vector>

#include "absl/time/time.h"
#include "sallyport/credential_issuer/v1/audit_record.pb.h"
#include "sallyport/media_relay/v1/allocation.pb.h"
#include "sallyport/media_relay/v1/session.pb.h"
#include "sallyport/signaling_edge/v1/call.pb.h"

namespace sallyport::cli {

struct TraceNote {
  absl::Time time;
  std::string text;
};

// What the audit has of one user, newest record first.
struct UserRecords {
  std::string user;  // its resource name
  std::vector<credential_issuer::v1::AuditRecord> records;
};

// Credentials of `of` that were good at some time of the call, the newest
// kMostCredentials of them, and what became of them. Nothing of a secret: the
// audit has none.
constexpr size_t kMostCredentials = 4;
std::vector<TraceNote> CredentialNotes(const UserRecords& of,
                                       const signaling_edge::v1::Call& call);

// Those of `allocations`, of one relay, that were made with credentials of the
// same users, before the call was over.
std::vector<TraceNote> AllocationNotes(
    const std::vector<UserRecords>& users,
    const std::vector<media_relay::v1::Allocation>& allocations,
    const signaling_edge::v1::Call& call);

// The session that bridges its legs, while there is one.
TraceNote SessionNote(const media_relay::v1::Session& session,
                      const signaling_edge::v1::Call& call);
// What is known of it when it is gone: nothing if the call had none.
std::vector<TraceNote> EndedSessionNotes(const signaling_edge::v1::Call& call);

}  // namespace sallyport::cli

#endif  // SALLYPORT_TOOLS_CLI_TRACE_NOTES_H_
