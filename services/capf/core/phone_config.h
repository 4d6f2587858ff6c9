// The configuration file of a phone, `SEP<MAC>.cnf.xml`, as far as it decides
// whom the phone speaks to, how securely, and when it comes for a certificate.

#ifndef SALLYPORT_SERVICES_CAPF_CORE_PHONE_CONFIG_H_
#define SALLYPORT_SERVICES_CAPF_CORE_PHONE_CONFIG_H_

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "services/capf/core/signed_file_header.h"

namespace sallyport::capf {

// How a phone proves itself to CAPF, by the numbers of the file.
enum class CapfAuthMode : uint8_t {
  kNonePending = 0,
  kString = 1,
  kNullString = 2,
  kExistingLscFirst = 3,
  kExistingMicFirst = 4,
};

enum class DeviceSecurityMode : uint8_t {
  kNonSecure = 1,
  kAuthenticated = 2,  // refused here: no cipher without encryption
  kEncrypted = 3,
};

enum class PhoneTransport : uint8_t { kTcp = 1, kUdp = 2, kTls = 3 };

struct CallManagerNode {
  std::string name;  // host name or address
  uint16_t sip_port = 5060;
  uint16_t secured_sip_port = 5061;
};

struct CapfNode {
  std::string name;
  uint16_t port = 3804;
};

struct PhoneLine {
  std::string number;        // the directory number, as the phone registers it
  std::string display_name;  // may be empty
  std::string auth_name;     // of the digest; no password is ever in the file
};

struct PhoneConfig {
  std::vector<CallManagerNode> call_managers;  // 1 to 5, in order of preference
  std::vector<CapfNode> capf;                  // at most 5
  CapfAuthMode capf_auth_mode = CapfAuthMode::kNonePending;
  // Lower-case hex SHA-1 of the LSC that the phone should have; empty: none.
  // A phone whose own differs comes to CAPF.
  std::string certificate_hash;
  DeviceSecurityMode security_mode = DeviceSecurityMode::kNonSecure;
  PhoneTransport transport = PhoneTransport::kTcp;
  bool encrypted_config = false;
  std::vector<PhoneLine> lines;
  // Changes with the contents, so that a phone knows whether to restart.
  std::string version_stamp;
};

// The file, in UTF-8. kInvalidArgument, reason PHONE_CONFIG_INVALID: no call
// manager or more than five nodes of a kind, security that the transport does
// not give (encrypted without TLS, or TLS without), authenticated mode, text
// with control characters, or a hash that is none.
absl::StatusOr<std::string> WritePhoneConfig(const PhoneConfig& config);

// A `.sgn` file: the header, then `payload` (research/pki.md section 1.8).
// With an empty signature in `header` it is the text that is signed.
absl::StatusOr<std::string> WriteSignedFile(SignedFileHeader header,
                                            std::string_view payload);

}  // namespace sallyport::capf

#endif  // SALLYPORT_SERVICES_CAPF_CORE_PHONE_CONFIG_H_
