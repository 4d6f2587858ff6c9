// Issues certificates in two phases: the intent is durable before the key
// signs, and the certificate and its audit record are before anybody gets it.

#ifndef SALLYPORT_SERVICES_CAPF_IO_CERTIFICATE_AUTHORITY_H_
#define SALLYPORT_SERVICES_CAPF_IO_CERTIFICATE_AUTHORITY_H_

#include <atomic>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "services/capf/core/certificate_builder.h"
#include "services/capf/core/certificate_names.h"
#include "services/capf/core/certificate_profile.h"
#include "services/capf/core/certificate_record.h"
#include "services/capf/core/public_key.h"
#include "services/capf/io/ledger.h"
#include "services/capf/io/ledger_step.h"
#include "services/capf/io/signer.h"
#include "services/common/random/random_source.h"

namespace sallyport::capf {

struct AuthorityOptions {
  std::string certificate_file;  // PEM
  // Makes the certificate, self-signed, if there is no file.
  bool create = false;
  SubjectName subject;      // when it is made
  absl::Duration lifetime;  // when it is made; zero: 10 years
  // Signs the certificate when it is made, by a certificate of its own, which
  // is made too if absent. Null: the authority signs itself.
  Signer* root_signer = nullptr;
  std::string root_certificate_file;  // PEM
  SubjectName root_subject;           // when it is made
  uint8_t serial_prefix = 1;          // of this instance, 0x01 to 0x7f
  std::string id = "default";
  // Where its complete revocation lists say that delta lists are, without the
  // name of the list: "http://host/path". Empty: they do not.
  std::string delta_url;
  // Where the certificates that it issues say that its complete lists are,
  // likewise. Empty: they do not.
  std::string crl_url;
  // Each signature is verified, whatever the signer asks for.
  bool verify_every_signature = false;
  // Called for each certificate issued; for metrics. May be null.
  std::function<void(ProfileId)> on_issued;
};

// A key of an authority and the certificate that goes with it, beyond the one
// of the configuration file.
struct AuthorityKey {
  int64_t generation = 1;
  std::shared_ptr<Signer> signer;
  std::vector<std::string> chain;  // DER, its certificate first; never empty
};

// A request that was proven and admitted.
struct IssueOrder {
  std::string tenant;
  ProfileId profile;
  SubjectName subject;
  SubjectAltNames names;
  PublicKey key;
  absl::Duration validity;  // zero: the profile's
  std::string enrollment;   // of an LSC
  std::string requester;
  std::string request_key;     // empty, or tenant and request id
  std::string request_sha256;  // hex
};

// A signed revocation list. A value.
struct SignedRevocationList {
  std::string der;
  absl::Time this_update;
  absl::Time next_update;
  size_t revoked_count = 0;
  std::optional<uint64_t> base;  // of a delta list: on top of that number
  int64_t trust_version = 0;     // of the store when it was made
};

// Steps of Issue() at which a process may die.
enum class IssueStep {
  kBuilt,
  kIntentStored,
  kSigned,
  kIssuedStored,
};

// Holds every key that the authority has, or had while something that it signed
// is in use; one of them issues. Thread-safe, if the signers are.
class CertificateAuthority {
 public:
  // Adds to the transaction that makes the certificate valid, so that what
  // refers to it changes with it.
  using WithIssued =
      std::function<void(const CertificateRecord& issued, StoreChange& change)>;

  // All but `options` must outlive this object. FAILED_PRECONDITION, reason
  // AUTHORITY_MISMATCH, if certificate and key do not belong together.
  static absl::StatusOr<std::unique_ptr<CertificateAuthority>> Open(
      const AuthorityOptions& options, Signer& signer, Ledger& ledger,
      RandomSource& random);
  // The same with a key that was made while it ran; of `options` only id,
  // serial_prefix, delta_url, crl_url, verify_every_signature and on_issued
  // count.
  // CHAIN_INVALID, ISSUER_INVALID as Import().
  static absl::StatusOr<std::unique_ptr<CertificateAuthority>> OpenKey(
      const AuthorityOptions& options, const AuthorityKey& key, Ledger& ledger,
      RandomSource& random);

  // Has another key, which issues nothing yet; or another certificate for one
  // that it has. FAILED_PRECONDITION, reason AUTHORITY_MISMATCH.
  absl::Status Hold(const AuthorityKey& key) ABSL_LOCKS_EXCLUDED(mutex_);
  // Issues by that one from now on. FAILED_PRECONDITION, reason
  // AUTHORITY_MISMATCH, if it is not held.
  absl::Status Switch(int64_t generation) ABSL_LOCKS_EXCLUDED(mutex_);
  // Signs with it no more.
  void Drop(int64_t generation) ABSL_LOCKS_EXCLUDED(mutex_);
  // Which one issues.
  int64_t generation() const { return current_.load()->number; }
  const std::string& id() const { return id_; }
  // Whether `der` is one of its own certificates that are in use.
  bool IsOwn(const std::string& der) const ABSL_LOCKS_EXCLUDED(mutex_);

  // Called when an order finds that another replica has switched: it is to
  // see what the store says, and switch. May be null.
  void OnSuperseded(std::function<absl::Status()> callback) {
    on_superseded_ = std::move(callback);
  }
  // Puts a new certificate of a generation after the first where it is kept,
  // in the change that records it.
  using KeepChain = std::function<absl::Status(
      int64_t generation, const std::string& chain_pem, StoreChange& change)>;
  void OnImport(KeepChain callback) { keep_chain_ = std::move(callback); }

  // A certificate for an authority (`profile` kAuthority or kRoot), signed by
  // `issuer` with `signer`, or by itself. DER. In the audit.
  absl::StatusOr<std::string> Certify(ProfileId profile,
                                      const SubjectName& subject,
                                      absl::Duration lifetime,
                                      const PublicKey& key,
                                      const std::optional<Issuer>& issuer,
                                      Signer& signer);

  // Ends what a process began that is no more: intents older than `age` that
  // were never signed, or whose signature never left, are abandoned and
  // recorded so. Zero is for who has the store alone, before Issue(). An
  // intent is signed or abandoned, never both: who comes second is refused.
  absl::Status Recover(absl::Duration age = absl::ZeroDuration());

  // The whole of an order but its signature: names, validity, key reuse, lint.
  absl::Status Check(const IssueOrder& order);

  // A repeat (same request key and same request) returns the first answer, or
  // UNAVAILABLE REQUEST_IN_PROGRESS while there is none; the same key with
  // another request is INVALID_ARGUMENT REQUEST_ID_REUSED. Otherwise errors are
  // those of CheckNames(), ChooseValidity() and the ledger; ALREADY_EXISTS
  // KEY_REUSED if the key is certified for another name; FAILED_PRECONDITION
  // KEY_COMPROMISED; INTERNAL LINT_FAILED, which names the rules and is our own
  // fault.
  absl::StatusOr<CertificateRecord> Issue(const IssueOrder& order,
                                          const WithIssued& with_issued = {});
  // The same for who does not wait. What a step does beside its change may
  // block, as a token may.
  using ThenIssued = Then<absl::StatusOr<CertificateRecord>>;
  LedgerStep IssueInSteps(IssueOrder order, WithIssued with_issued,
                          ThenIssued then);
  // The same by a key that issues nothing else yet.
  absl::StatusOr<CertificateRecord> IssueBy(int64_t generation,
                                            const IssueOrder& order);

  // The list of what is revoked and not expired. The last one is given again
  // while nothing was revoked since and half of its `lifetime` is ahead; a new
  // one is recorded in the audit before it is returned. Errors are those of
  // the ledger and the signer.
  absl::StatusOr<SignedRevocationList> RevocationListNow(
      absl::Duration lifetime) ABSL_LOCKS_EXCLUDED(mutex_);
  // The same of one of its keys. NOT_FOUND, reason AUTHORITY_NOT_FOUND, if it
  // has none of that number any more.
  absl::StatusOr<SignedRevocationList> RevocationListOf(int64_t generation,
                                                        absl::Duration lifetime)
      ABSL_LOCKS_EXCLUDED(mutex_);
  // What was revoked since the oldest of its complete lists that is in force
  // (RFC 5280 section 5.2.4): whoever holds one has all with it. It lives a
  // quarter of `lifetime`. Otherwise as RevocationListOf(), but
  // FAILED_PRECONDITION, reason CRL_BASE_MISSING, if there is no complete one.
  absl::StatusOr<SignedRevocationList> DeltaListOf(int64_t generation,
                                                   absl::Duration lifetime)
      ABSL_LOCKS_EXCLUDED(mutex_);
  // The lists of each of its keys, the one that issues first.
  absl::StatusOr<std::vector<SignedRevocationList>> RevocationListsNow(
      absl::Duration lifetime) ABSL_LOCKS_EXCLUDED(mutex_);

  // By what it issues now. What was returned stays as it is.
  const Issuer& issuer() const { return *current_.load()->issuer; }
  // Its certificate and those above it, PEM, the root last if it is known.
  std::string ChainPem() const ABSL_LOCKS_EXCLUDED(mutex_);
  // The same in DER.
  std::vector<std::string> Chain() const ABSL_LOCKS_EXCLUDED(mutex_);

  // A request (PKCS #10, DER) for another certificate of the same name and
  // key, to be signed elsewhere. Made, and recorded in the audit, once: it
  // is kept beside the certificate, as `.csr`.
  absl::StatusOr<std::string> Request(const std::string& actor)
      ABSL_LOCKS_EXCLUDED(mutex_);
  // Takes a certificate that was made elsewhere for this name and key, with
  // those above it in order, and issues by it from now on. INVALID_ARGUMENT:
  // AUTHORITY_MISMATCH (another key or name), CHAIN_INVALID, ISSUER_INVALID;
  // FAILED_PRECONDITION ISSUER_EXPIRED. Checks only with `validate_only`.
  absl::Status Import(const std::vector<std::string>& chain_der,
                      const std::string& actor, bool validate_only)
      ABSL_LOCKS_EXCLUDED(mutex_);
  uint64_t issued_count() const { return issued_count_; }

  // For fault tests: called as each step is done.
  void set_on_step(std::function<void(IssueStep)> on_step) {
    on_step_ = std::move(on_step);
  }

 private:
  // One key with one certificate; never changed, but that its signer goes.
  struct Generation {
    int64_t number = 1;
    std::shared_ptr<Signer> signer;  // null: dropped
    std::optional<Issuer> issuer;    // always one
    std::vector<std::string> chain;
    std::optional<SignedRevocationList> list;   // the last one
    std::optional<SignedRevocationList> delta;  // likewise
  };

  CertificateAuthority(const AuthorityOptions& options, Ledger& ledger,
                       RandomSource& random)
      : id_(options.id),
        ledger_(ledger),
        random_(random),
        serial_prefix_(options.serial_prefix),
        delta_url_(options.delta_url),
        crl_url_(options.crl_url),
        verify_all_(options.verify_every_signature),
        on_issued_(options.on_issued) {}

  absl::Status LoadOrCreate(const AuthorityOptions& options, Signer& signer);
  absl::StatusOr<std::string> MakeChain(const AuthorityOptions& options,
                                        Signer& signer);
  absl::StatusOr<CertificateSpec> AuthoritySpec(
      ProfileId profile, const SubjectName& subject, absl::Duration lifetime,
      const PublicKey& key, const std::optional<Issuer>& issuer);
  // The newest of that number; null if there is none, or its key was dropped.
  Generation* Find(int64_t number) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  absl::Status CheckKey(const IssueOrder& order);
  absl::StatusOr<CertificateRecord> Build(const IssueOrder& order,
                                          const Generation& by);
  // An order under way.
  struct Issuing;
  // Up to the intent; what was answered before, if anything was.
  absl::StatusOr<std::optional<CertificateRecord>> Prepare(Issuing& issuing);
  LedgerStep TryIssue(std::shared_ptr<const IssueOrder> order,
                      WithIssued with_issued, const Generation& by,
                      ThenIssued then);
  LedgerStep OnIntended(std::shared_ptr<Issuing> issuing,
                        const absl::Status& intended);
  LedgerStep OnIssued(Issuing& issuing, const absl::Status& issued);
  absl::StatusOr<SignedRevocationList> ListOf(Generation& by,
                                              absl::Duration lifetime)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // A complete list, or a delta list on top of `base`, recorded.
  absl::StatusOr<SignedRevocationList> SignList(
      const Generation& by, absl::Duration lifetime,
      const std::optional<SignedListHead>& base, int64_t version)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // Gives an intent up, unless it was stored as issued after all.
  void Abandon(CertificateRecord intent, const absl::Status& why);
  // What was answered to the order's request key before, if anything.
  absl::StatusOr<std::optional<CertificateRecord>> AnsweredBefore(
      const IssueOrder& order);
  // Signs, verifies the signature as often as the signer asks for (after one
  // that was wrong each), and that the bytes are those linted.
  absl::StatusOr<std::string> SignTbs(const std::string& tbs, Signer& signer);
  void Reached(IssueStep step) const {
    if (on_step_) on_step_(step);
  }

  const std::string id_;
  Ledger& ledger_;
  RandomSource& random_;
  const uint8_t serial_prefix_;
  const std::string delta_url_;
  const std::string crl_url_;
  std::string certificate_file_;
  bool in_file_ = false;  // the first key's certificate is there
  mutable absl::Mutex mutex_;
  // All that were held since the start: others hold references.
  std::deque<Generation> generations_ ABSL_GUARDED_BY(mutex_);
  std::string request_ ABSL_GUARDED_BY(mutex_);  // once it was made
  // The one that issues. Its signer stays while it does.
  std::atomic<const Generation*> current_ = nullptr;
  std::atomic<uint64_t> issued_count_ = 0;
  std::atomic<uint32_t> signatures_ = 0;
  std::atomic<bool> verify_all_;
  std::function<void(ProfileId)> on_issued_;
  std::function<absl::Status()> on_superseded_;
  KeepChain keep_chain_;
  std::function<void(IssueStep)> on_step_;
};

// The last part of the URL of the lists of an authority's key.
std::string ListFileName(std::string_view authority, int64_t generation,
                         bool delta);

// A serial as resources are named by it: lower-case hex without leading zeros.
std::string SerialHex(const std::string& octets);

}  // namespace sallyport::capf

#endif  // SALLYPORT_SERVICES_CAPF_IO_CERTIFICATE_AUTHORITY_H_
