#include "services/common/log/log.h"

#include <algorithm>
#include <memory>
#include <mutex>
#include <utility>

#include "absl/time/clock.h"
#include "spdlog/logger.h"
#include "spdlog/sinks/base_sink.h"
#include "spdlog/sinks/stdout_sinks.h"

namespace sallyport {
namespace {

class FunctionSink final : public spdlog::sinks::base_sink<std::mutex> {
 public:
  explicit FunctionSink(std::function<void(std::string_view)> writer)
      : writer_(std::move(writer)) {}

 private:
  void sink_it_(const spdlog::details::log_msg& message) override {
    writer_(std::string_view(message.payload.data(), message.payload.size()));
  }
  void flush_() override {}

  std::function<void(std::string_view)> writer_;
};

struct Logger {
  explicit Logger(const LogOptions& options)
      : service(options.service), instance(options.instance) {
    spdlog::sink_ptr sink;
    if (options.writer) {
      sink = std::make_shared<FunctionSink>(options.writer);
    } else {
      sink = std::make_shared<spdlog::sinks::stderr_sink_mt>();
    }
    logger = std::make_shared<spdlog::logger>("sallyport", std::move(sink));
    // The line is built here, so that it is JSON whatever is in it.
    logger->set_pattern("%v");
    logger->set_level(spdlog::level::trace);
    logger->flush_on(spdlog::level::trace);
  }

  std::string service;
  std::string instance;
  std::shared_ptr<spdlog::logger> logger;
};

std::atomic<LogLevel> g_level = LogLevel::kInfo;

absl::Mutex& LoggerMutex() {
  static absl::Mutex mutex;
  return mutex;
}

std::shared_ptr<const Logger>& LoggerSlot() {
  // Never destroyed: threads may log while the process ends.
  static auto* slot = new std::shared_ptr<const Logger>(
      std::make_shared<const Logger>(LogOptions{}));
  return *slot;
}

std::shared_ptr<const Logger> CurrentLogger() {
  absl::MutexLock lock(&LoggerMutex());
  return LoggerSlot();
}

std::string_view LevelName(LogLevel level) {
  switch (level) {
    case LogLevel::kDebug:
      return "debug";
    case LogLevel::kInfo:
      return "info";
    case LogLevel::kWarning:
      return "warning";
    case LogLevel::kError:
      return "error";
  }
  return "error";
}

void WriteLine(LogLevel level, std::string_view message,
               std::initializer_list<LogField> fields,
               const LogField* extra_field) {
  const std::shared_ptr<const Logger> current = CurrentLogger();
  std::string line = "{";
  AppendJsonField({"ts", absl::Now()}, &line);
  line.push_back(',');
  AppendJsonField({"level", LevelName(level)}, &line);
  if (!current->service.empty()) {
    line.push_back(',');
    AppendJsonField({"service", current->service}, &line);
  }
  if (!current->instance.empty()) {
    line.push_back(',');
    AppendJsonField({"instance", current->instance}, &line);
  }
  line.push_back(',');
  AppendJsonField({"msg", message}, &line);
  for (const LogField& field : fields) {
    line.push_back(',');
    AppendJsonField(field, &line);
  }
  if (extra_field != nullptr) {
    line.push_back(',');
    AppendJsonField(*extra_field, &line);
  }
  line.push_back('}');
  current->logger->log(spdlog::level::info,
                       spdlog::string_view_t(line.data(), line.size()));
}

}  // namespace

void InitLogging(LogOptions options) {
  g_level.store(options.level, std::memory_order_relaxed);
  auto logger = std::make_shared<const Logger>(options);
  absl::MutexLock lock(&LoggerMutex());
  LoggerSlot().swap(logger);
}

bool LogEnabled(LogLevel level) {
  return level >= g_level.load(std::memory_order_relaxed);
}

void Log(LogLevel level, std::string_view message,
         std::initializer_list<LogField> fields) {
  if (!LogEnabled(level)) return;
  WriteLine(level, message, fields, nullptr);
}

std::optional<uint64_t> LogLimiter::Admit(absl::Time now) {
  absl::MutexLock lock(&mutex_);
  if (last_ != absl::InfinitePast() && now > last_) {
    tokens_ = std::min(
        burst_, tokens_ + absl::ToDoubleSeconds(now - last_) * per_second_);
  }
  if (last_ == absl::InfinitePast() || now > last_) last_ = now;
  if (tokens_ < 1) {
    ++suppressed_;
    return std::nullopt;
  }
  tokens_ -= 1;
  return std::exchange(suppressed_, 0);
}

void LogLimited(LogLimiter& limiter, LogLevel level, std::string_view message,
                std::initializer_list<LogField> fields) {
  if (!LogEnabled(level)) return;
  const std::optional<uint64_t> suppressed = limiter.Admit(absl::Now());
  if (!suppressed) return;
  if (*suppressed == 0) {
    WriteLine(level, message, fields, nullptr);
    return;
  }
  const LogField field("suppressed", *suppressed);
  WriteLine(level, message, fields, &field);
}

}  // namespace sallyport
