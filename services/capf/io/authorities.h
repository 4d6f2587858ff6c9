// The authorities of an installation with all their keys, as the store has
// them: what one replica makes or switches, every other one uses too.

#ifndef SALLYPORT_SERVICES_CAPF_IO_AUTHORITIES_H_
#define SALLYPORT_SERVICES_CAPF_IO_AUTHORITIES_H_

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "services/capf/core/authority_generation.h"
#include "services/capf/core/certificate_profile.h"
#include "services/capf/io/certificate_authority.h"
#include "services/capf/io/ledger.h"
#include "services/capf/io/pkcs11_token.h"
#include "services/capf/io/signer.h"
#include "services/common/crypto/secret.h"
#include "services/common/random/random_source.h"

namespace sallyport::capf {

// Thread-safe.
class Authorities {
 public:
  struct Options {
    std::string default_id = "default";
    // Of the first one's key: destroyed when that is retired. Empty: the key
    // is in the token.
    std::string key_file;
    std::string certificate_file;
    Secret wrapping;               // encrypts the keys in the store
    Pkcs11Token* token = nullptr;  // new keys are made there; may be null
    std::string token_label;       // of the first key
    // The installation's root, if it has one of its own: its certificate, and
    // its key while that is still there.
    std::string root_key_file;
    std::string root_certificate_file;
    Secret root_passphrase;
    // As AuthorityOptions has them.
    std::string delta_url;
    std::string crl_url;
    bool verify_every_signature = false;
    std::function<void(ProfileId)> on_issued;  // may be null
  };

  // `ledger` and `random` must outlive this object.
  Authorities(Options options, Ledger& ledger, RandomSource& random)
      : options_(std::move(options)), ledger_(ledger), random_(random) {}

  // Opens what the store knows. `open_first` opens the key of the
  // configuration file, and is called unless that was retired.
  using OpenFirst =
      std::function<absl::StatusOr<std::unique_ptr<CertificateAuthority>>()>;
  absl::Status Open(const OpenFirst& open_first) ABSL_LOCKS_EXCLUDED(mutex_);
  // What another replica, or a step of a procedure, has changed meanwhile.
  absl::Status Refresh() ABSL_LOCKS_EXCLUDED(mutex_);
  // Called, on the thread that found it, when an authority issues by another
  // key, or is new.
  void OnSwitched(std::function<void(CertificateAuthority&)> callback) {
    on_switched_ = std::move(callback);
  }

  CertificateAuthority& Default() { return *default_; }
  // NOT_FOUND, reason AUTHORITY_NOT_FOUND.
  absl::StatusOr<CertificateAuthority*> Find(const std::string& id)
      ABSL_LOCKS_EXCLUDED(mutex_);
  // All, in order of id; the default one is among them.
  std::vector<CertificateAuthority*> All() ABSL_LOCKS_EXCLUDED(mutex_);
  // By which authority the certificate is. FAILED_PRECONDITION, reason
  // AUTHORITY_DISABLED, if the only ones that could issue nothing any more;
  // AUTHORITY_NOT_FOUND, if none certifies it.
  absl::StatusOr<CertificateAuthority*> For(const AuthorityChoice& choice)
      ABSL_LOCKS_EXCLUDED(mutex_);
  // Makes one, with its first key: certified by our root, if there is one,
  // else by itself. It issues nothing yet: AuthorityAdmin sees to that.
  // ALREADY_EXISTS, reason AUTHORITY_EXISTS; FAILED_PRECONDITION, reason
  // ROOT_KEY_ABSENT, if the root's key was taken away; INVALID_ARGUMENT as
  // CheckNames(). Checks only with `validate_only`.
  absl::Status Create(AuthorityGeneration first, absl::Duration lifetime,
                      const std::string& actor, bool validate_only);
  // Of all authorities, with every key.
  absl::StatusOr<std::vector<AuthorityGeneration>> Generations() {
    return ledger_.store().ListAuthorities();
  }

  // The key after the one that issues, not stored yet. It is certified by
  // itself if that one is, or by our root while its key is there; else it
  // brings a request. What was made in a token and not stored is found again.
  absl::StatusOr<AuthorityGeneration> MakeNext(const std::string& id,
                                               const std::string& actor);
  // Takes a certificate made elsewhere for a key that waits for one, or for
  // the one that issues. INVALID_ARGUMENT: AUTHORITY_MISMATCH, CHAIN_INVALID,
  // ISSUER_INVALID; FAILED_PRECONDITION ISSUER_EXPIRED.
  absl::Status Import(const std::string& id,
                      const std::vector<std::string>& chain_der,
                      const std::string& actor, bool validate_only);
  // A key of the store or of the token. FAILED_PRECONDITION, reason
  // KEY_UNREADABLE; UNAVAILABLE, reason SIGNER_UNAVAILABLE.
  absl::StatusOr<std::shared_ptr<Signer>> SignerOf(
      const AuthorityGeneration& generation);

 private:
  absl::StatusOr<std::shared_ptr<Signer>> MakeKey(AuthorityGeneration& next);
  // Signs it by our root, or by itself; false if another has to.
  absl::StatusOr<bool> CertifyNext(AuthorityGeneration& next, bool self_signed,
                                   absl::Duration lifetime, Signer& signer);
  absl::Status KeepChain(const std::string& id, int64_t generation,
                         const std::string& chain_pem, StoreChange& change);
  absl::Status Adopt(const std::vector<AuthorityGeneration>& all)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  absl::Status AdoptOne(const AuthorityGeneration& one)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void Connect(CertificateAuthority& authority);

  const Options options_;
  Ledger& ledger_;
  RandomSource& random_;
  std::function<void(CertificateAuthority&)> on_switched_;
  CertificateAuthority* default_ = nullptr;
  absl::Mutex mutex_;
  // As last read.
  std::vector<AuthorityGeneration> known_ ABSL_GUARDED_BY(mutex_);
  std::map<std::string, std::unique_ptr<CertificateAuthority>> all_
      ABSL_GUARDED_BY(mutex_);
  // Others may still hold them.
  std::vector<std::unique_ptr<CertificateAuthority>> deleted_
      ABSL_GUARDED_BY(mutex_);
  // Retired ones whose key is destroyed already.
  std::set<std::string> gone_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace sallyport::capf

#endif  // SALLYPORT_SERVICES_CAPF_IO_AUTHORITIES_H_
