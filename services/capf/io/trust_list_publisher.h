// Makes, checks, simulates and publishes the trust lists of phones.

#ifndef SALLYPORT_SERVICES_CAPF_IO_TRUST_LIST_PUBLISHER_H_
#define SALLYPORT_SERVICES_CAPF_IO_TRUST_LIST_PUBLISHER_H_

#include <array>
#include <cstddef>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "services/capf/core/phone_trust.h"
#include "services/capf/core/published_list.h"
#include "services/capf/core/trust_list_plan.h"
#include "services/capf/io/certificate_authority.h"
#include "services/capf/io/file_signer.h"
#include "services/capf/io/ledger.h"
#include "services/common/crypto/secret.h"

namespace sallyport::capf {

struct TrustListOptions {
  // Where the keys lie: `sast_1.key`, `sast_2.key`, `tftp.key`, RSA of 2048
  // bits, as phones verify no others, made on the first start; and their
  // certificates, `.pem`.
  std::string folder;
  std::string tenant;  // whose certificates these are
  std::string organization;
  std::vector<PhoneNode> call_managers;
  std::vector<PhoneNode> capf;
  std::vector<PhoneNode> tvs;
  // Where phones fetch files; the certificate is filled in.
  PhoneNode tftp;
  ClusterSecurityMode mode = ClusterSecurityMode::kNonSecure;
  SignedFileDigest digest = SignedFileDigest::kSha1;
};

struct Publication {
  PublishedList list;
  TrustListSimulation simulation;
  bool unchanged = false;  // what is out says the same; nothing was done
};

// Most phones that a simulation names.
inline constexpr size_t kMaxListedPhones = 1000;

// Thread-compatible.
class TrustListPublisher {
 public:
  // `authority` and `ledger` must outlive this object. Keys and certificates
  // are made if they are not there; an empty passphrase: keys lie in clear.
  static absl::StatusOr<std::unique_ptr<TrustListPublisher>> Open(
      const TrustListOptions& options, const Secret& passphrase,
      CertificateAuthority& authority, Ledger& ledger);

  // Called with each list that went out, and with those of a former run.
  using OnPublished = std::function<void(const PublishedList&)>;
  absl::Status Serve(OnPublished on_published);
  // The same again for what another replica has published meanwhile.
  absl::Status Refresh();

  // Makes the list, reads it with the reader that had no part in writing it,
  // replays the phones' rule over every phone of the tenant, and only then
  // stores it. FAILED_PRECONDITION, reason PHONES_LOCKED_OUT, names the first
  // phones that would not take it, unless `force`.
  absl::StatusOr<Publication> Publish(const std::string& tenant,
                                      TrustListKind kind, bool force,
                                      bool validate_only,
                                      const std::string& actor);

  // What would become of the tenant's phones with this file.
  absl::StatusOr<TrustListSimulation> Simulate(const std::string& tenant,
                                               ByteSpan file);

  // A phone was sent the list with this SHA-1 by its own name. Only phones
  // with an enrollment are remembered, and only what is new.
  absl::Status RecordFetch(const std::string& device, TrustListKind kind,
                           const std::string& sha1);

  // DER; the first signs.
  std::vector<std::string> SignerCertificates() const {
    return {signers_[0].certificate, signers_[1].certificate};
  }
  const std::string& TftpCertificate() const { return tftp_.certificate; }

  // A `.sgn` file of `payload`, by the key of role TFTP.
  absl::StatusOr<std::string> SignPhoneFile(std::string_view file_name,
                                            std::string_view payload);

 private:
  struct Key {
    std::unique_ptr<FileSigner> signer;
    std::string certificate;  // DER
  };

  TrustListPublisher(const TrustListOptions& options, Ledger& ledger)
      : options_(options), ledger_(ledger) {}

  absl::StatusOr<Key> OpenKey(const std::string& name,
                              const std::string& common_name,
                              const Secret& passphrase,
                              CertificateAuthority& authority) const;
  absl::StatusOr<std::string> Compose(TrustListKind kind);
  ServedCertificates Served() const;
  absl::StatusOr<TrustListSimulation> Replay(const std::string& tenant,
                                             const ProposedList& proposal);

  TrustListOptions options_;
  Ledger& ledger_;
  std::array<Key, 2> signers_;
  Key tftp_;
  OnPublished on_published_;
  std::array<std::string, 2> served_;  // SHA-1 of what is out, by kind
};

}  // namespace sallyport::capf

#endif  // SALLYPORT_SERVICES_CAPF_IO_TRUST_LIST_PUBLISHER_H_
