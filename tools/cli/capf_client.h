// The phone's half of the CAPF protocol, as a state machine without socket.
//
//   AUTH_REQUEST -> AUTH_RESPONSE -> KEY_GENERATE_REQUEST -> in progress,
//   KEY_GENERATE_RESPONSE -> STORE_CERT_REQUEST -> STORE_CERT_RESPONSE ->
//   END_SESSION
//
// FETCH_CERT and DELETE_CERT may come instead of the key steps.

#ifndef SALLYPORT_TOOLS_CLI_CAPF_CLIENT_H_
#define SALLYPORT_TOOLS_CLI_CAPF_CLIENT_H_

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "services/capf/core/capf_message.h"
#include "services/common/crypto/secret.h"
#include "tools/cli/device_key.h"

namespace sallyport::cli {

// What the owner does next, in this order. Borrows nothing.
struct CapfActions {
  std::vector<capf::CapfMessage> send;
  // Generate such a key, then call OnKey.
  std::optional<DeviceKeyType> generate;
  // Check and store this certificate (DER), then call OnStored.
  std::optional<std::vector<uint8_t>> store;
  // Remove the LSC, then call OnErased.
  bool erase = false;
  // The session is over, and did what it was for.
  bool done = false;
};

// Thread-compatible.
class CapfClient {
 public:
  struct Options {
    std::string device_name;
    // Empty: none is sent, for the null string mode.
    Secret authentication_string;
    // The LSC in use, for FETCH_CERT. Empty: there is none.
    std::vector<uint8_t> certificate_der;
    // The manufacturer's certificate, likewise.
    std::vector<uint8_t> mic_der;
    // With both: proves itself by this existing certificate. What is signed is
    // the device name, NUL and the certificate.
    std::optional<capf::CapfCertificate> proof_certificate;
    std::vector<uint8_t> proof_sha1;
    std::vector<uint8_t> proof_sha512;
    // Keys that may be made; the server chooses which.
    bool allow_ec = true;
    bool allow_rsa = true;
  };

  explicit CapfClient(Options options);

  // An error ends the session. Reasons: CAPF_NO_OPERATION (nothing is pending
  // for this device), CAPF_DECLINED (unknown device, wrong string, or locked:
  // the server does not say which), CAPF_UNEXPECTED_MESSAGE, CAPF_RETRY_LATER,
  // CAPF_KEY_NOT_ALLOWED.
  absl::StatusOr<CapfActions> OnMessage(const capf::CapfMessage& message);
  CapfActions OnKey(const std::vector<uint8_t>& public_key_der);
  CapfActions OnStored();
  CapfActions OnErased();

 private:
  enum class State {
    kWaitAuthRequest,
    kWaitRequest,
    kGenerating,
    kWaitCertificate,
    kStoring,
    kWaitEnd,
    kOver
  };

  capf::CapfMessage Reply(capf::CapfOpcode opcode) const;
  absl::StatusOr<CapfActions> OnAuthRequest();
  absl::StatusOr<CapfActions> OnKeyRequest(const capf::CapfMessage& message);
  absl::StatusOr<CapfActions> OnFetch(const capf::CapfMessage& message);
  absl::StatusOr<CapfActions> OnEnd(const capf::CapfMessage& message);

  Options options_;
  State state_ = State::kWaitAuthRequest;
  uint32_t session_id_ = 0;
};

}  // namespace sallyport::cli

#endif  // SALLYPORT_TOOLS_CLI_CAPF_CLIENT_H_
