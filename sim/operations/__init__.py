"""The commerce life cycle as flow: checkout, payment, confirmation, fulfilment, delivery, after-sales, stock."""
