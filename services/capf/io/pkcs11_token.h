// A token behind PKCS #11 (v2.40), in a module that is loaded at run time.

#ifndef SALLYPORT_SERVICES_CAPF_IO_PKCS11_TOKEN_H_
#define SALLYPORT_SERVICES_CAPF_IO_PKCS11_TOKEN_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "services/common/crypto/secret.h"
#include "services/common/time/clock.h"
#include "services/common/time/mono_time.h"

// CK_FUNCTION_LIST; the standard's header stays out of ours.
struct _CK_FUNCTION_LIST;

namespace sallyport::capf {

struct Pkcs11Options {
  std::string module_file;  // a shared library
  std::string token_label;  // without the blanks that pad it
  Secret pin;               // of the user
  // Calls at a time. More than one only where the module's maker says that it
  // survives the loss of its token in several threads: p11-kit-client leaves
  // all but one of them waiting for ever.
  int max_sessions = 1;
};

// One token, logged in, with a pool of sessions. Whatever it says when it was
// taken out, restarted or forgot its sessions, the next call begins anew: the
// module is initialised, the token found by its label, and the PIN given
// again. Attempts that fail are 100 ms apart at least; between them calls fail
// at once. One per module in a process, since a module has one state.
// Thread-safe.
class Pkcs11Token {
 public:
  using Functions = ::_CK_FUNCTION_LIST;
  using Session = unsigned long;  // CK_SESSION_HANDLE
  // Returns a CK_RV. `generation` changes when handles of objects must be
  // looked up again.
  using Body = std::function<unsigned long(Functions& p11, Session session,
                                           int64_t generation)>;

  // Loads the module and logs in. FAILED_PRECONDITION: PKCS11_MODULE if it
  // cannot be loaded, PKCS11_PIN if the PIN is wrong (which is never tried
  // again, since tokens lock). UNAVAILABLE, reason SIGNER_UNAVAILABLE, if the
  // token is not there.
  static absl::StatusOr<std::unique_ptr<Pkcs11Token>> Open(
      Pkcs11Options options, const Clock& clock);
  ~Pkcs11Token();
  Pkcs11Token(const Pkcs11Token&) = delete;
  Pkcs11Token& operator=(const Pkcs11Token&) = delete;

  // Runs `body` in a session; what it returns other than CKR_OK is
  // UNAVAILABLE, reason SIGNER_UNAVAILABLE, after one more try on a token that
  // began anew. `doing` is a verb.
  absl::Status Run(std::string_view doing, const Body& body)
      ABSL_LOCKS_EXCLUDED(use_mutex_, pool_mutex_);

 private:
  Pkcs11Token(Pkcs11Options options, const Clock& clock)
      : options_(std::move(options)),
        clock_(clock),
        free_(options_.max_sessions) {}

  absl::Status Load();
  // Begins anew, unless somebody has since `seen`.
  absl::Status Begin(int64_t seen) ABSL_LOCKS_EXCLUDED(use_mutex_);
  absl::Status LogIn() ABSL_EXCLUSIVE_LOCKS_REQUIRED(use_mutex_);
  unsigned long TryRun(const Body& body, int64_t* generation)
      ABSL_LOCKS_EXCLUDED(use_mutex_, pool_mutex_);
  unsigned long RunIn(const Body& body, int64_t* generation)
      ABSL_LOCKS_EXCLUDED(use_mutex_, pool_mutex_);
  unsigned long Take(Session* session) ABSL_SHARED_LOCKS_REQUIRED(use_mutex_);

  const Pkcs11Options options_;
  const Clock& clock_;
  void* library_ = nullptr;
  Functions* p11_ = nullptr;
  // Shared by who uses the token, alone by who begins anew.
  absl::Mutex use_mutex_;
  bool initialized_ ABSL_GUARDED_BY(use_mutex_) = false;
  bool usable_ ABSL_GUARDED_BY(use_mutex_) = false;
  bool pin_refused_ ABSL_GUARDED_BY(use_mutex_) = false;
  unsigned long slot_ ABSL_GUARDED_BY(use_mutex_) = 0;
  // Keeps the login: with its last session a token forgets it.
  Session login_session_ ABSL_GUARDED_BY(use_mutex_) = 0;
  int64_t generation_ ABSL_GUARDED_BY(use_mutex_) = 0;
  MonoTime retry_at_ ABSL_GUARDED_BY(use_mutex_) = MonoTime::InfinitePast();
  absl::Status last_failure_ ABSL_GUARDED_BY(use_mutex_);
  absl::Mutex pool_mutex_;
  int free_ ABSL_GUARDED_BY(pool_mutex_);  // calls that may begin
  std::vector<Session> idle_ ABSL_GUARDED_BY(pool_mutex_);
};

}  // namespace sallyport::capf

#endif  // SALLYPORT_SERVICES_CAPF_IO_PKCS11_TOKEN_H_
