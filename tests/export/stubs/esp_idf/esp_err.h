#pragma once
typedef int esp_err_t;
void stub_abort(esp_err_t error);
#define ESP_ERROR_CHECK(x) do { esp_err_t e_ = (x); if (e_) stub_abort(e_); } while (0)
