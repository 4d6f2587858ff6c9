// The folder with prompts, read again when it changes.

#ifndef SALLYPORT_SERVICES_MEDIA_RELAY_IO_PROMPT_DIRECTORY_H_
#define SALLYPORT_SERVICES_MEDIA_RELAY_IO_PROMPT_DIRECTORY_H_

#include <cstddef>
#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "services/media_relay/core/prompt_set.h"

namespace sallyport::media_relay {

// `NAME.EXTENSION` of all tenants and `TENANT/NAME.EXTENSION`; what begins with
// a dot is left out. An error, with the file, for what is no prompt
// (PROMPT_FILE_INVALID, PROMPT_NAME_INVALID) and for more than `max_bytes` of
// octets in all (PROMPTS_TOO_LARGE).
absl::StatusOr<std::shared_ptr<const PromptSet>> LoadPrompts(
    const std::string& folder, size_t max_bytes);

// Thread-safe.
class PromptDirectory {
 public:
  using Changed = std::function<void(std::shared_ptr<const PromptSet>)>;

  // `changed` is called on a thread of its own; a change that cannot be read is
  // logged, and what was read before stays.
  static absl::StatusOr<std::unique_ptr<PromptDirectory>> Create(
      const std::string& folder, size_t max_bytes, absl::Duration refresh);
  ~PromptDirectory();
  PromptDirectory(const PromptDirectory&) = delete;
  PromptDirectory& operator=(const PromptDirectory&) = delete;

  // As read at first.
  const std::shared_ptr<const PromptSet>& first() const { return first_; }
  // Once.
  void Watch(Changed changed);

 private:
  PromptDirectory(std::string folder, size_t max_bytes, absl::Duration refresh)
      : folder_(std::move(folder)), max_bytes_(max_bytes), refresh_(refresh) {}
  void Run(const Changed& changed);

  const std::string folder_;
  const size_t max_bytes_;
  const absl::Duration refresh_;
  std::shared_ptr<const PromptSet> first_;
  std::string seen_;  // of the thread, once it runs
  absl::Mutex mutex_;
  bool stopping_ ABSL_GUARDED_BY(mutex_) = false;
  std::thread thread_;
};

}  // namespace sallyport::media_relay

#endif  // SALLYPORT_SERVICES_MEDIA_RELAY_IO_PROMPT_DIRECTORY_H_
