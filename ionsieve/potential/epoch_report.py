"""What ``nequip-train`` says after each epoch, one line that a log and a progress bar can both use."""

import lightning

PREFIX = "epoch"


class EpochReport(lightning.Callback):
    """Print one line per epoch: its number and the validation errors."""

    def on_validation_end(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        """Print the epoch's number, of how many, and what was measured."""
        if not trainer.is_global_zero:
            return
        errors = ", ".join(
            f"{name.removeprefix('val0_epoch/')} {float(value):.5f}"
            for name, value in sorted(trainer.callback_metrics.items())
            if name.startswith("val0_epoch/")
        )
        print(f"{PREFIX} {trainer.current_epoch + 1}/{trainer.max_epochs}: {errors}", flush=True)
