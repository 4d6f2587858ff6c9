// Users, phones and directory numbers of a plan_snapshot.h.

#ifndef SALLYPORT_SERVICES_COMMON_DIGIT_ANALYSIS_LINE_ENTRIES_H_
#define SALLYPORT_SERVICES_COMMON_DIGIT_ANALYSIS_LINE_ENTRIES_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/time/time.h"
#include "services/common/digit_analysis/peer_entries.h"

namespace sallyport {

// The digest algorithm that a user's challenges name (RFC 8760).
enum class DigestAlgorithm : uint8_t { kSha256, kMd5 };

enum class PhoneProtocol : uint8_t { kSip, kSccp };

// How a phone proves itself to capf (protocols.md section 9).
enum class CapfAuthenticationMode : uint8_t {
  kAuthenticationString,
  kNullString,
  kExistingCertificateLsc,
  kExistingCertificateMic,
};

// Which keys a phone may generate.
enum class CapfKeyOrder : uint8_t { kRsaOnly, kEcOnly, kEcPreferredRsaBackup };

struct UserEntry {
  std::string name;      // tenants/{tenant}/users/{user}
  std::string username;  // of the digest and of the address of record
  std::string domain;    // one of the tenant's
  std::string realm;     // of the digest
  std::string dial_plan;
  std::string calling_search_space;
  // Digits that reach it directly, in the null partition.
  std::vector<std::string> phone_numbers;
  DigestAlgorithm digest_algorithm = DigestAlgorithm::kSha256;
  // H(username:realm:password), lower-case hex (RFC 7616 section 3.4.2). A
  // snapshot that came by the stream holds only that of `digest_algorithm`;
  // an empty one can never be matched. Secret: never logged or printed, and
  // compared in constant time.
  std::string ha1_md5;
  std::string ha1_sha256;
  bool disabled = false;
  // On a TLS port it may come without a certificate, by digest alone.
  bool allow_without_certificate = false;
  // One contact may stand for all its numbers (RFC 6140).
  bool bulk_registration = false;
  // As the digest user of a trunk with application level authorization.
  bool accept_out_of_dialog_refer = false;
  bool accept_unsolicited_notification = false;
  bool accept_replaces = false;
  uint32_t max_contacts = 0;         // 0 = unset
  std::string dialling_restriction;  // unset: that of its dial plan
  // The shortest of its phones' profiles; 0: the edge's own.
  absl::Duration nonce_validity;

  bool operator==(const UserEntry&) const = default;
};

struct PhoneSecurityProfileEntry {
  std::string name;        // tenants/{tenant}/phoneSecurityProfiles/{profile}
  std::string phone_type;  // such as "Cisco 8865"
  PhoneProtocol protocol = PhoneProtocol::kSip;
  DeviceSecurityMode device_security_mode = DeviceSecurityMode::kNonSecure;
  SipTransport transport = SipTransport::kUnset;
  uint32_t sip_phone_port = 0;  // 0 = unset
  bool tftp_encrypted_config = false;
  bool digest = false;            // an ENCRYPTED phone must show digest as well
  absl::Duration nonce_validity;  // 0 = unset
  bool exclude_digest_credentials = false;
  CapfAuthenticationMode authentication_mode =
      CapfAuthenticationMode::kAuthenticationString;
  CapfKeyOrder key_order = CapfKeyOrder::kEcPreferredRsaBackup;
  uint32_t rsa_key_size = 0;  // bits; 0 = unset
  uint32_t ec_key_size = 0;   // likewise
  bool allow_digest_without_certificate = false;

  bool operator==(const PhoneSecurityProfileEntry&) const = default;
};

struct PhoneEntry {
  std::string name;         // tenants/{tenant}/phones/{phone}
  std::string device_name;  // CN of its LSC, such as SEP001122334455
  std::string dial_plan;
  std::string calling_search_space;
  std::string owner_user;  // the user that registers from it; may be empty
  bool disabled = false;
  std::string phone_security_profile;  // empty: non-secure
  std::vector<std::string> lines;      // first button first
  std::string model;
  // Of its profile: its LSC proves it, without digest.
  bool lsc_alone = false;
  absl::Duration nonce_validity;  // of its profile; 0: the edge's own

  bool operator==(const PhoneEntry&) const = default;
};

// Where a call goes instead. Neither a number nor voicemail: nowhere.
struct CallForward {
  std::string number;      // as dialled
  bool voicemail = false;  // the pilot of the line's voicemail profile
  std::string calling_search_space;  // unset: that of the line

  bool IsSet() const { return voicemail || !number.empty(); }
  bool operator==(const CallForward&) const = default;
};

struct LineEntry {
  std::string name;              // tenants/{tenant}/lines/{line}
  std::string directory_number;  // a pattern of one number: "4001", "\\+1201"
  std::string partition;         // empty = the null partition
  std::string calling_search_space;  // searched before that of the phone
  std::string voicemail_profile;     // unset: the tenant's default profile
  std::string external_phone_number_mask;
  CallForward forward_all;
  CallForward forward_busy;
  CallForward forward_no_answer;
  CallForward forward_unregistered;
  absl::Duration no_answer_duration;  // 0 = unset
  uint32_t max_calls = 0;             // 0 = unset
  uint32_t busy_trigger = 0;          // 0 = unset
  std::string caller_display_name;
  std::vector<std::string> users;  // that register for it

  bool operator==(const LineEntry&) const = default;
};

}  // namespace sallyport

#endif  // SALLYPORT_SERVICES_COMMON_DIGIT_ANALYSIS_LINE_ENTRIES_H_
