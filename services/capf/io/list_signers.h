// The keys that sign what phones are told, one set for each tenant.
//
// They lie in the store, encrypted, so that every replica has them and a
// procedure can make one and use it in the transaction that says so.

#ifndef SALLYPORT_SERVICES_CAPF_IO_LIST_SIGNERS_H_
#define SALLYPORT_SERVICES_CAPF_IO_LIST_SIGNERS_H_

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "services/capf/core/phone_cluster.h"
#include "services/capf/core/signed_file_header.h"
#include "services/capf/io/certificate_authority.h"
#include "services/capf/io/file_signer.h"
#include "services/capf/io/ledger.h"
#include "services/common/crypto/secret.h"

namespace sallyport::capf {

// Phones verify RSA of 2048 bits, and no others reliably.
inline constexpr int kListSignerBits = 2048;

// Thread-compatible.
class ListSigners {
 public:
  struct Options {
    // Encrypts the keys; never empty.
    Secret wrapping;
    std::string organization;
    absl::Duration lifetime;  // of their certificates; zero: the profile's
    // Who certifies those of a tenant. Null: the authority that is given.
    std::function<absl::StatusOr<CertificateAuthority*>(const std::string&)>
        authority_of;
    // Where an older version kept the keys of one tenant, as `sast_1.key` and
    // so on; they are taken over, as its phones trust them. Empty: nowhere.
    std::string old_folder;
    std::string old_tenant;
  };

  // `authority` and `ledger` must outlive this object.
  ListSigners(Options options, CertificateAuthority& authority, Ledger& ledger)
      : options_(std::move(options)), authority_(authority), ledger_(ledger) {}

  // One that signs, one that stands by and one for files, made if they are not
  // there. Whatever step a process died at, the next call goes on from it.
  absl::StatusOr<std::vector<ListSigner>> Ensure(const std::string& tenant);
  // A fresh one: the one that was made before and is in no list yet, or a new.
  absl::StatusOr<ListSigner> MakeFresh(const std::string& tenant);

  // The signer of files that is to take over: made before, or a new one. It is
  // in the lists as soon as they are published.
  absl::StatusOr<ListSigner> MakeFilesNext(const std::string& tenant);

  // RSASSA-PKCS1-v1_5. FAILED_PRECONDITION, reason KEY_UNREADABLE, if the key
  // cannot be decrypted.
  absl::StatusOr<std::string> Sign(const ListSigner& signer,
                                   SignedFileDigest digest,
                                   std::string_view text);

 private:
  // The one in `state`, which is made and named after `prefix` if there is
  // none.
  absl::StatusOr<ListSigner> MakeIn(const std::string& tenant,
                                    ListSignerState state,
                                    std::string_view prefix);
  absl::StatusOr<std::shared_ptr<FileSigner>> KeyOf(const ListSigner& signer);
  // Stores a key for it if there is none under that id.
  absl::Status AddKey(const std::string& tenant, const std::string& id,
                      ListSignerState state, const std::string& old_file);
  // Issues what `signer` lacks.
  absl::Status Certify(const ListSigner& signer);

  const Options options_;
  CertificateAuthority& authority_;
  Ledger& ledger_;
  std::map<std::string, std::shared_ptr<FileSigner>> keys_;  // by PEM
};

}  // namespace sallyport::capf

#endif  // SALLYPORT_SERVICES_CAPF_IO_LIST_SIGNERS_H_
