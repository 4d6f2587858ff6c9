// Keeps the certificates of a service fresh: makes new keys where they are
// used, has them certified, and puts both into the file that the service
// watches.

#ifndef SALLYPORT_SERVICES_COMMON_RENEWAL_CERTIFICATE_RENEWER_H_
#define SALLYPORT_SERVICES_COMMON_RENEWAL_CERTIFICATE_RENEWER_H_

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "services/common/crypto/secret.h"
#include "services/common/crypto/x509_name.h"
#include "services/common/files/memory_file.h"
#include "services/common/random/random_source.h"
#include "services/common/time/clock.h"

namespace sallyport {

// What is asked of the authority.
struct RenewalOrder {
  std::string csr_der;
  // The leaf that is to be replaced, PEM, and the signature of its key over
  // csr_der. Both empty for the identity of the service, which the connection
  // proves.
  std::string certificate_pem;
  std::string proof;
};

// How one certificate stands. A value.
struct CertificateUseState {
  std::string use;              // "grpc", "sip"
  std::string certificate_pem;  // the chain in use, the leaf first
  absl::Time use_time = absl::InfinitePast();  // since when
  absl::Time not_after = absl::InfinitePast();
  // When it is asked for, or asked for again after a failure.
  absl::Time next_attempt_time = absl::InfiniteFuture();
  int failures = 0;         // since the last success
  std::string last_reason;  // of the last failure; empty after a success
  absl::Time last_failure_time = absl::InfinitePast();
  // Failures that were made good before a report told of them; they stay until
  // one has. Zero: none.
  int mended_failures = 0;
  std::string mended_reason;
  absl::Time mended_failure_time = absl::InfinitePast();
};

// How keys are kept where none may lie in clear.
struct KeySealing {
  // A key, PEM, as it is kept: encrypted, PEM too.
  std::function<absl::StatusOr<std::string>(const Secret& key_pem)> seal;
  // The key again.
  std::function<absl::StatusOr<Secret>(const std::string& sealed_pem)> open;
};

// Thread-safe.
class CertificateRenewer {
 public:
  struct Options {
    // Where pairs are kept, one file each; made if absent.
    std::string folder;
    // Chain of the new certificate, the leaf first, PEM. May take seconds.
    std::function<absl::StatusOr<std::string>(const RenewalOrder&)> sign;
    // Called after each change of a state, and every `report_interval`, with
    // all of them; the answer is the uses that are due at once. May take
    // seconds; a failure is made good by the next call.
    std::function<absl::StatusOr<std::vector<std::string>>(
        const std::vector<CertificateUseState>&)>
        report;
    // Called after each change, for metrics: `renewed` is the outcome of an
    // attempt, if there was one. May be null.
    std::function<void(const CertificateUseState&)> on_state;
    std::function<void(const CertificateUseState&, bool renewed)> on_attempt;
    // If it is set, what lies in the folder is sealed, and the file that
    // Manage() names is in memory only.
    std::optional<KeySealing> sealing;
    absl::Duration tick = absl::Seconds(1);
    absl::Duration report_interval = absl::Minutes(1);
  };
  struct Files {
    std::string certificate_file;  // given by the operator, to begin with
    std::string key_file;
    std::string ca_file;  // a new one must lead to these; empty: not checked
  };

  // `clock` and `random` must outlive this object.
  CertificateRenewer(Options options, const Clock& clock, RandomSource& random);
  // Stop().
  ~CertificateRenewer();

  // The folder, mode 0700, if it is absent. UNAVAILABLE, reason
  // FOLDER_NOT_WRITABLE.
  absl::Status MakeFolder() const;

  // From now on `use` ("grpc") is kept fresh, and this file, mode 0600, holds
  // chain and key in one, so that nobody sees the one without the other: what
  // was renewed before, or, if the operator's pair was made later or the other
  // one is not in force, the operator's, which is replaced at once by one of
  // which nobody else has seen the key. `is_identity`: the authority knows us
  // by it. INVALID_ARGUMENT, reason CERTIFICATE_UNUSABLE, if neither can be
  // read; UNAVAILABLE if the folder cannot be written. Before Start().
  absl::StatusOr<std::string> Manage(const std::string& use, const Files& files,
                                     bool is_identity);

  // From now on it is reported what this file holds; it is renewed by others.
  // Before Start().
  void Observe(const std::string& use, const std::string& certificate_file);

  // Looks every tick whether something is due. Call once.
  void Start();
  // Returns when what runs has ended; nothing is called afterwards.
  void Stop();

  std::vector<CertificateUseState> states() const;

 private:
  struct Managed {
    std::string use;
    Files files;
    bool is_identity = false;
    bool is_observed = false;
    std::string file;
    MemoryFile in_clear;    // if keys are sealed
    std::string operators;  // digest of the operator's pair when last looked at
    // When the operator's pair comes into force, if that is yet to be.
    absl::Time given_from = absl::InfiniteFuture();
    CertificateInfo info;  // of what is in use
    CertificateUseState state;
  };
  // A chain and its key in one text.
  struct Pair;

  // `is_kept`: it is ours, and may be sealed.
  absl::StatusOr<Pair> ReadPair(const std::string& certificate_file,
                                const std::string& key_file,
                                bool is_kept) const;
  // What is put into use was made by the authority, or given by the operator.
  absl::Status Use(Managed& managed, const Pair& pair);
  absl::StatusOr<Pair> Choose(Managed& managed);
  void Run();
  bool LookAtObserved(Managed& managed);
  void MakeDue(const std::string& use);
  // What is in `states` was told.
  void Told(const std::vector<CertificateUseState>& states);
  // True if something changed.
  bool Look(Managed& managed);
  absl::Status Renew(Managed& managed);
  void SetState(Managed& managed, const CertificateUseState& state);
  double Jitter() { return static_cast<double>(random_.Uniform(1000)) / 999; }

  const Options options_;
  const Clock& clock_;
  RandomSource& random_;
  // Manage(), then the thread; what others see of it is in states_.
  std::vector<std::unique_ptr<Managed>> managed_;
  mutable absl::Mutex mutex_;
  std::vector<CertificateUseState> states_ ABSL_GUARDED_BY(mutex_);
  bool stopping_ ABSL_GUARDED_BY(mutex_) = false;
  std::thread thread_;
};

}  // namespace sallyport

#endif  // SALLYPORT_SERVICES_COMMON_RENEWAL_CERTIFICATE_RENEWER_H_
