#include "services/media_relay/io/turn_tls_files.h"

#include <cstddef>
#include <memory>
#include <string>
#include <thread>
#include <utility>

#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "services/common/files/secret_file.h"
#include "services/common/log/log.h"
#include "services/common/status/status_macros.h"
#include "services/common/tls/tls_context.h"
#include "services/media_relay/io/dtls_server_session.h"

namespace sallyport::media_relay {
namespace {

constexpr size_t kMaxFile = 1 << 20;

}  // namespace

absl::StatusOr<std::unique_ptr<TurnTlsFiles>> TurnTlsFiles::Create(
    const std::string& certificate_file, const std::string& key_file,
    absl::Duration refresh, bool dtls) {
  std::unique_ptr<TurnTlsFiles> files(
      new TurnTlsFiles(certificate_file, key_file, dtls));
  files->seen_ = files->Contents();
  Pair first;
  SP_ASSIGN_OR_RETURN(first, files->Load());
  {
    const absl::MutexLock lock(&files->mutex_);
    files->current_ = std::move(first);
  }
  files->thread_ =
      std::thread([f = files.get(), refresh] { f->Watch(refresh); });
  return files;
}

TurnTlsFiles::~TurnTlsFiles() {
  {
    const absl::MutexLock lock(&mutex_);
    stopping_ = true;
  }
  if (thread_.joinable()) thread_.join();
}

std::shared_ptr<const TlsContext> TurnTlsFiles::current() const {
  const absl::MutexLock lock(&mutex_);
  return current_.tls;
}

std::shared_ptr<const DtlsServerCredentials> TurnTlsFiles::dtls() const {
  const absl::MutexLock lock(&mutex_);
  return current_.dtls;
}

absl::StatusOr<TurnTlsFiles::Pair> TurnTlsFiles::Load() {
  TlsContextOptions options;
  options.role = TlsRole::kServer;
  options.client_certificate = ClientCertificateMode::kNone;
  options.generation = ++generation_;
  Pair pair;
  SP_ASSIGN_OR_RETURN(
      pair.tls, TlsContext::CreateFromFiles(certificate_file_, key_file_, "",
                                            std::move(options)));
  if (with_dtls_) {
    SP_ASSIGN_OR_RETURN(pair.dtls, DtlsServerCredentials::FromFiles(
                                       certificate_file_, key_file_));
  }
  return pair;
}

std::string TurnTlsFiles::Contents() const {
  return DigestOfSecretFiles({certificate_file_, key_file_}, kMaxFile);
}

void TurnTlsFiles::Watch(absl::Duration refresh) {
  for (;;) {
    {
      const absl::MutexLock lock(&mutex_);
      if (mutex_.AwaitWithTimeout(absl::Condition(&stopping_), refresh)) return;
    }
    std::string contents = Contents();
    if (contents == seen_) continue;
    seen_ = std::move(contents);
    absl::StatusOr<Pair> changed = Load();
    if (!changed.ok()) {
      LogWarning("the changed TURN certificate cannot be used",
                 {{"error", changed.status()}});
      continue;
    }
    LogInfo("a changed TURN certificate is in force",
            {{"generation", changed->tls->generation()}});
    const absl::MutexLock lock(&mutex_);
    current_ = *std::move(changed);
  }
}

}  // namespace sallyport::media_relay
