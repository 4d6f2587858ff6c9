// Input: the body of a SERVICE request. Invariants: what is read is within its
// bounds; a request that is OK can be written again and means the same; the
// answer to any of them is XML that mirrors its id.

#include "services/credential_issuer/core/mras_message.h"

#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

namespace {

void Require(bool condition) {
  if (!condition) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace sallyport::credential_issuer;  // NOLINT: a fuzzer
  const std::string_view body(reinterpret_cast<const char*>(data), size);
  const auto parsed = ParseMrasRequest(body);
  if (!parsed.ok()) return 0;
  const MrasRequest& request = parsed->request;
  Require(request.request_id.size() <= 64);
  Require(request.to.size() <= 1024 && request.from.size() <= 1024);
  Require(request.credentials.size() <= kMaxMrasCredentials);
  if (parsed->reason == MrasReason::kOk) {
    Require(!request.request_id.empty() && !request.credentials.empty());
    for (const MrasCredentialsRequest& one : request.credentials) {
      Require(!one.id.empty() && one.id.size() <= 64);
      Require(!one.identity.empty() && one.identity.size() <= 2048);
      Require(!one.duration || *one.duration >= absl::Minutes(1));
      IsSameSipUser(one.identity, "alice@demo.test");
    }
  }
  const std::string answer =
      WriteMrasResponse(request, parsed->reason, "realm", {});
  // Of another root, but XML: only the root is wrong.
  const auto again = ParseMrasRequest(answer);
  Require(!again.ok());
  Require(again.status().message() == "the root is no MRAS request");
  return 0;
}
